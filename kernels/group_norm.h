#pragma once

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

namespace kestrel {

struct GroupNormParams {
  int64_t groups = 32;
  double eps = 1e-5;
  bool relu = false;
};

/// x, y and their gradients: (N, ..., C), of one dtype: float32, float64 or bfloat16. mean and rstd
/// (1 / sqrt(variance + eps)): (N, groups); weight, bias and their gradients: (C), may be absent;
/// float32, or float64 where x is. Results depend neither on the number of threads nor on the run.
namespace cpu {

void group_norm_forward(ConstView x, ConstView weight, ConstView bias, View y, View mean, View rstd,
                        const GroupNormParams& params);
/// Each gradient may be absent. y is read where params.relu. grad_x may be the memory of grad_y.
void group_norm_backward(ConstView x, ConstView y, ConstView grad_y, ConstView mean, ConstView rstd,
                         ConstView weight, View grad_x, View grad_weight, View grad_bias,
                         const GroupNormParams& params);

}  // namespace cpu
namespace gpu {

void group_norm_forward(ConstView x, ConstView weight, ConstView bias, View y, View mean, View rstd,
                        const GroupNormParams& params, Stream stream);
void group_norm_backward(ConstView x, ConstView y, ConstView grad_y, ConstView mean, ConstView rstd,
                         ConstView weight, View grad_x, View grad_weight, View grad_bias,
                         const GroupNormParams& params, Stream stream);

}  // namespace gpu
}  // namespace kestrel
