#pragma once

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Resizing of feature maps: x (N, H, W, C) to y (N, Ho, Wo, C), one dtype: float32, float64 or
/// bfloat16. No side of x is zero unless that of y is. Backward gathers: no result depends on the
/// number of threads.
namespace kestrel {
namespace cpu {

/// y = x at (floor(i * H / Ho), floor(j * W / Wo)), plus `lateral` (shaped like y, may be absent).
void upsample_nearest_forward(ConstView x, ConstView lateral, View y);
void upsample_nearest_backward(ConstView grad_y, View grad_x);

/// Bilinear, as PyTorch's: source = (i + 0.5) * H / Ho - 0.5, clamped at 0; with align_corners
/// i * (H - 1) / (Ho - 1).
void upsample_bilinear_forward(ConstView x, bool align_corners, View y);
void upsample_bilinear_backward(ConstView grad_y, bool align_corners, View grad_x);

}  // namespace cpu
namespace gpu {

void upsample_nearest_forward(ConstView x, ConstView lateral, View y, Stream stream);
void upsample_nearest_backward(ConstView grad_y, View grad_x, Stream stream);
void upsample_bilinear_forward(ConstView x, bool align_corners, View y, Stream stream);
void upsample_bilinear_backward(ConstView grad_y, bool align_corners, View grad_x, Stream stream);

}  // namespace gpu
}  // namespace kestrel
