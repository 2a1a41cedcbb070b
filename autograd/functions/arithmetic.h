#pragma once

#include <kestrel/autograd/functions/elementwise.h>
#include <kestrel/autograd/variable.h>
#include <kestrel/kernels/binary.h>

/// Functions of the elements of two tensors of one dtype that broadcast as in NumPy: sizes are
/// matched from the last one on, and a size of 1, or one that is absent, is repeated. The gradient
/// of what was repeated is summed.
namespace kestrel::autograd {

Variable add(const Variable& a, const Variable& b);
Variable subtract(const Variable& a, const Variable& b);
Variable multiply(const Variable& a, const Variable& b);
Variable divide(const Variable& a, const Variable& b);
/// NaN where either is; equal operands share the gradient.
Variable minimum(const Variable& a, const Variable& b);
Variable maximum(const Variable& a, const Variable& b);
Variable pow(const Variable& a, const Variable& b);
/// The angle of the point (x, y).
Variable atan2(const Variable& y, const Variable& x);

/// mask ? a : b. mask: bool.
Variable where(const Tensor& mask, const Variable& a, const Variable& b);

/// A mask, bool; it has no gradient. a and b: any dtype but float16.
Tensor compare(CompareOp op, const Tensor& a, const Tensor& b);
Tensor compare(CompareOp op, const Tensor& a, double b);

inline Variable operator+(const Variable& a, const Variable& b) {
  return add(a, b);
}
inline Variable operator-(const Variable& a, const Variable& b) {
  return subtract(a, b);
}
inline Variable operator*(const Variable& a, const Variable& b) {
  return multiply(a, b);
}
inline Variable operator/(const Variable& a, const Variable& b) {
  return divide(a, b);
}
inline Variable operator-(const Variable& a) {
  return negate(a);
}
inline Variable operator+(const Variable& a, double b) {
  return add_scalar(a, b);
}
inline Variable operator+(double a, const Variable& b) {
  return add_scalar(b, a);
}
inline Variable operator-(const Variable& a, double b) {
  return add_scalar(a, -b);
}
inline Variable operator-(double a, const Variable& b) {
  return add_scalar(negate(b), a);
}
inline Variable operator*(const Variable& a, double b) {
  return scale(a, b);
}
inline Variable operator*(double a, const Variable& b) {
  return scale(b, a);
}
inline Variable operator/(const Variable& a, double b) {
  return scale(a, 1 / b);
}
inline Variable operator/(double a, const Variable& b) {
  return scale(reciprocal(b), a);
}

}  // namespace kestrel::autograd
