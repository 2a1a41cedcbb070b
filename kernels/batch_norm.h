#pragma once

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

namespace kestrel {

struct BatchNormParams {
  double eps = 1e-5;
  bool relu = false;
  /// Backward: mean and variance were those of x, so that they have a derivative.
  bool batch_statistics = true;
};

/// x, y, residual and their gradients: (..., C), of one dtype: float32, float64 or bfloat16.
/// Everything else: (C), float32, or float64 where x is. Sums are formed blockwise, around the
/// block's mean, and joined in double: the variance is sound where the mean is far from zero.
/// Results depend neither on the number of threads nor on the run.
namespace cpu {

/// Mean and biased variance per channel; zeros where x is empty.
void batch_norm_statistics(ConstView x, View mean, View variance);

/// running = (1 - momentum) * running + momentum * batch, with the unbiased variance of `count`
/// values per channel. One value has no unbiased variance: running_var then stays. No values:
/// both stay. Either may be absent.
void batch_norm_update(ConstView mean, ConstView variance, int64_t count, double momentum,
                       View running_mean, View running_var);

/// y = relu?(weight * (x - mean) / sqrt(variance + eps) + bias + residual); weight, bias and
/// residual may be absent.
void batch_norm_forward(ConstView x, ConstView mean, ConstView variance, ConstView weight,
                        ConstView bias, ConstView residual, View y, const BatchNormParams& params);

/// Gradients of the above; each may be absent. y is read where params.relu, x where grad_weight or
/// (with batch_statistics) grad_x is wanted. grad_x or grad_residual may be the memory of grad_y.
void batch_norm_backward(ConstView x, ConstView y, ConstView grad_y, ConstView mean,
                         ConstView variance, ConstView weight, View grad_x, View grad_residual,
                         View grad_weight, View grad_bias, const BatchNormParams& params);

}  // namespace cpu
namespace gpu {

void batch_norm_statistics(ConstView x, View mean, View variance, Stream stream);
void batch_norm_update(ConstView mean, ConstView variance, int64_t count, double momentum,
                       View running_mean, View running_var, Stream stream);
void batch_norm_forward(ConstView x, ConstView mean, ConstView variance, ConstView weight,
                        ConstView bias, ConstView residual, View y, const BatchNormParams& params,
                        Stream stream);
void batch_norm_backward(ConstView x, ConstView y, ConstView grad_y, ConstView mean,
                         ConstView variance, ConstView weight, View grad_x, View grad_residual,
                         View grad_weight, View grad_bias, const BatchNormParams& params,
                         Stream stream);

}  // namespace gpu
}  // namespace kestrel
