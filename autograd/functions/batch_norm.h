#pragma once

#include <kestrel/autograd/variable.h>

namespace kestrel::autograd {

struct BatchNormOptions {
  bool training = true;   ///< Batch statistics; else the running ones.
  double momentum = 0.1;  ///< Share of the batch in the running statistics.
  double eps = 1e-5;
  bool relu = false;
};

/// y = relu?(weight * (x - mean) / sqrt(variance + eps) + bias + residual), per channel.
/// x and residual: (..., C). weight, bias, running_mean, running_var: (C), float32, or float64
/// where x is; each may be undefined. In training the batch's mean and biased variance normalise,
/// and the running statistics take in the batch's mean and unbiased variance; otherwise the running
/// statistics, which must then be there, normalise. `residual` has the shape and dtype of x.
Variable batch_norm(const Variable& x, const Variable& weight, const Variable& bias,
                    Tensor& running_mean, Tensor& running_var, const BatchNormOptions& options = {},
                    const Variable& residual = {});

}  // namespace kestrel::autograd
