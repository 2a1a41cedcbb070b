#pragma once

#include <limits>

#include <kestrel/autograd/variable.h>

/// Functions of every element of a tensor; NaN stays NaN.
namespace kestrel::autograd {

/// x * factor.
Variable scale(const Variable& x, double factor);
/// x + value.
Variable add_scalar(const Variable& x, double value);
Variable negate(const Variable& x);

Variable exp(const Variable& x);
Variable log(const Variable& x);
Variable sqrt(const Variable& x);
/// 1 / sqrt(x).
Variable rsqrt(const Variable& x);
Variable square(const Variable& x);
Variable reciprocal(const Variable& x);
/// x to a fixed power.
Variable pow(const Variable& x, double exponent);
/// At zero the gradient is zero.
Variable abs(const Variable& x);
Variable sin(const Variable& x);
Variable cos(const Variable& x);
Variable erf(const Variable& x);
/// min(max(x, low), high); at both bounds the gradient is zero, as in PyTorch 2.
Variable clamp(const Variable& x, double low,
               double high = std::numeric_limits<double>::infinity());

Variable relu(const Variable& x);
/// min(max(x, 0), 6).
Variable relu6(const Variable& x);
Variable leaky_relu(const Variable& x, double slope = 0.01);
Variable elu(const Variable& x, double alpha = 1);
/// By the error function, not its approximation.
Variable gelu(const Variable& x);
Variable sigmoid(const Variable& x);
Variable log_sigmoid(const Variable& x);
/// log(1 + exp(x)).
Variable softplus(const Variable& x);
Variable tanh(const Variable& x);
/// x * sigmoid(x), also called swish.
Variable silu(const Variable& x);
/// x * tanh(softplus(x)).
Variable mish(const Variable& x);
/// x * min(max(x + 3, 0), 6) / 6.
Variable hswish(const Variable& x);
/// min(max((x + bias) / divisor, low), high).
Variable hsigmoid(const Variable& x, double bias = 3, double divisor = 6, double low = 0,
                  double high = 1);

}  // namespace kestrel::autograd
