#pragma once

#include <kestrel/autograd/variable.h>

namespace kestrel::autograd {

/// x * weight^T + bias, for x (..., in), weight (out, in) and bias (out), which may be undefined.
/// Under autocast a float32 product is computed in bfloat16, and so is the result.
Variable linear(const Variable& x, const Variable& weight, const Variable& bias = {});

}  // namespace kestrel::autograd
