#pragma once

#include <kestrel/autograd/variable.h>

/// Elementwise arithmetic. Operands have equal shapes and dtypes.
namespace kestrel::autograd {

Variable add(const Variable& a, const Variable& b);
Variable subtract(const Variable& a, const Variable& b);
Variable multiply(const Variable& a, const Variable& b);
/// x * factor.
Variable scale(const Variable& x, double factor);
/// x + value.
Variable add_scalar(const Variable& x, double value);
/// max(x, 0); NaN stays NaN.
Variable relu(const Variable& x);
Variable sigmoid(const Variable& x);
/// Sum of all elements, of shape (); accumulated in double.
Variable sum(const Variable& x);
/// Mean of all elements, of shape (); NaN where there are none.
Variable mean(const Variable& x);

}  // namespace kestrel::autograd
