#include <kestrel/autograd/functions/elementwise.h>

#include <kestrel/autograd/functions/tensor_ops.h>

namespace kestrel::autograd {
namespace {

Variable unary(const char* name, const Variable& x, const UnaryParams& function) {
  Tensor y = mapped(x.data(), function);
  const Tensor saved = differentiates_value(function.op) ? y : x.data();
  return record(name, {x}, std::move(y),
                [saved, function](std::span<Tensor> grads, const NeedsGrad&) {
                  Tensor& grad = grads[0];
                  Tensor grad_x = grad.unique() ? grad : Tensor::empty_like(grad);
                  run(grad.device(), cpu::unary_backward, gpu::unary_backward, saved.view(),
                      grad.cview(), grad_x.view(), function);
                  return std::vector<Tensor>{grad_x};
                });
}

/// factor * x + offset, whose derivative needs no x.
Variable affine(const char* name, const Variable& x, double factor, double offset) {
  const UnaryParams derivative{UnaryOp::Affine, factor, 0};
  return record(name, {x}, mapped(x.data(), {UnaryOp::Affine, factor, offset}),
                [derivative](std::span<Tensor> grads, const NeedsGrad&) {
                  if (derivative.a == 1) return std::vector<Tensor>{grads[0]};
                  return std::vector<Tensor>{mapped(grads[0], derivative)};
                });
}

}  // namespace

Variable scale(const Variable& x, double factor) {
  return affine("scale", x, factor, 0);
}
Variable add_scalar(const Variable& x, double value) {
  return affine("add_scalar", x, 1, value);
}
Variable negate(const Variable& x) {
  return affine("negate", x, -1, 0);
}
Variable exp(const Variable& x) {
  return unary("exp", x, {UnaryOp::Exp});
}
Variable log(const Variable& x) {
  return unary("log", x, {UnaryOp::Log});
}
Variable sqrt(const Variable& x) {
  return unary("sqrt", x, {UnaryOp::Sqrt});
}
Variable rsqrt(const Variable& x) {
  return unary("rsqrt", x, {UnaryOp::Rsqrt});
}
Variable square(const Variable& x) {
  return unary("square", x, {UnaryOp::Square});
}
Variable reciprocal(const Variable& x) {
  return unary("reciprocal", x, {UnaryOp::Reciprocal});
}
Variable pow(const Variable& x, double exponent) {
  return unary("pow", x, {UnaryOp::Pow, exponent});
}
Variable abs(const Variable& x) {
  return unary("abs", x, {UnaryOp::Abs});
}
Variable sin(const Variable& x) {
  return unary("sin", x, {UnaryOp::Sin});
}
Variable cos(const Variable& x) {
  return unary("cos", x, {UnaryOp::Cos});
}
Variable erf(const Variable& x) {
  return unary("erf", x, {UnaryOp::Erf});
}
Variable clamp(const Variable& x, double low, double high) {
  return unary("clamp", x, {UnaryOp::Clamp, low, high});
}
Variable relu(const Variable& x) {
  return unary("relu", x, {UnaryOp::Relu});
}
Variable relu6(const Variable& x) {
  return unary("relu6", x, {UnaryOp::Clamp, 0, 6});
}
Variable leaky_relu(const Variable& x, double slope) {
  return unary("leaky_relu", x, {UnaryOp::LeakyRelu, slope});
}
Variable elu(const Variable& x, double alpha) {
  return unary("elu", x, {UnaryOp::Elu, alpha});
}
Variable gelu(const Variable& x) {
  return unary("gelu", x, {UnaryOp::Gelu});
}
Variable sigmoid(const Variable& x) {
  return unary("sigmoid", x, {UnaryOp::Sigmoid});
}
Variable log_sigmoid(const Variable& x) {
  return unary("log_sigmoid", x, {UnaryOp::LogSigmoid});
}
Variable softplus(const Variable& x) {
  return unary("softplus", x, {UnaryOp::Softplus});
}
Variable tanh(const Variable& x) {
  return unary("tanh", x, {UnaryOp::Tanh});
}
Variable silu(const Variable& x) {
  return unary("silu", x, {UnaryOp::Silu});
}
Variable mish(const Variable& x) {
  return unary("mish", x, {UnaryOp::Mish});
}
Variable hswish(const Variable& x) {
  return unary("hswish", x, {UnaryOp::Hswish});
}
Variable hsigmoid(const Variable& x, double bias, double divisor, double low, double high) {
  // Clamped first, so that no rounding moves the bounds.
  const Variable inside = clamp(x, low * divisor - bias, high * divisor - bias);
  return affine("hsigmoid", inside, 1 / divisor, bias / divisor);
}

}  // namespace kestrel::autograd
