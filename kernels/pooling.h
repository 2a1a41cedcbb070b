#pragma once

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

namespace kestrel {

struct Pool2dParams {
  int64_t kernel = 2;
  int64_t stride = 2;
  int64_t pad = 0;
  bool count_include_pad = true;  ///< Averages only.
};

/// x (N, H, W, C) and y (N, Ho, Wo, C) of one dtype: float32, float64 or bfloat16. Window (i, j)
/// begins at (i * stride - pad, j * stride - pad) and is clipped to the input; its count for an
/// average that includes padding stops at H + pad and W + pad. Every window must touch the input.
/// Backward gathers: no result depends on the number of threads.
namespace cpu {

/// which, shaped like y and uint8 (int32 where kernel > 15), receives the place of the largest
/// value in its window, ky * kernel + kx; may be absent.
void max_pool2d_forward(ConstView x, View y, View which, const Pool2dParams& params);
void max_pool2d_backward(ConstView grad_y, ConstView which, View grad_x,
                         const Pool2dParams& params);

void avg_pool2d_forward(ConstView x, View y, const Pool2dParams& params);
void avg_pool2d_backward(ConstView grad_y, View grad_x, const Pool2dParams& params);

}  // namespace cpu
namespace gpu {

void max_pool2d_forward(ConstView x, View y, View which, const Pool2dParams& params, Stream stream);
void max_pool2d_backward(ConstView grad_y, ConstView which, View grad_x, const Pool2dParams& params,
                         Stream stream);
void avg_pool2d_forward(ConstView x, View y, const Pool2dParams& params, Stream stream);
void avg_pool2d_backward(ConstView grad_y, View grad_x, const Pool2dParams& params, Stream stream);

}  // namespace gpu
}  // namespace kestrel
