#pragma once

#include <kestrel/autograd/variable.h>

namespace kestrel::autograd {

/// y = relu?(weight * (x - mean) / sqrt(variance + eps) + bias), with the mean and biased variance
/// of each image's each group of C / groups neighbouring channels (Wu and He, 2018). x: (N, ...,
/// C). weight, bias: (C), float32, or float64 where x is; each may be undefined.
Variable group_norm(const Variable& x, const Variable& weight, const Variable& bias, int64_t groups,
                    double eps = 1e-5, bool relu = false);

}  // namespace kestrel::autograd
