#include <kestrel/autograd/functions/arithmetic.h>

#include <kestrel/autograd/functions/tensor_ops.h>
#include <kestrel/kernels/common/binary_checks.h>

namespace kestrel::autograd {
namespace {

/// The operands' gradients from those of the shape of the result.
std::vector<Tensor> sums_to(const Tensor& grad_a, const Tensor& grad_b, const Shape& a,
                            const Shape& b) {
  return {grad_a ? sum_to(grad_a, a) : Tensor(), grad_b ? sum_to(grad_b, b) : Tensor()};
}

Variable binary(const char* name, BinaryOp op, const Variable& a, const Variable& b) {
  check_same_device(name, a.data(), b.data());
  Tensor result = Tensor::empty(broadcast_shape(name, a.shape(), b.shape()), a.dtype(), a.device());
  run(a.device(), cpu::binary_forward, gpu::binary_forward, op, a.view(), b.view(), result.view());
  return record(name, {a, b}, std::move(result),
                [op, a = a.data(), b = b.data()](std::span<Tensor> grads, const NeedsGrad& needs) {
                  const Tensor& grad = grads[0];
                  const auto room = [&](bool needed) {
                    return needed ? Tensor::empty_like(grad) : Tensor();
                  };
                  Tensor grad_a = room(needs[0]), grad_b = room(needs[1]);
                  run(grad.device(), cpu::binary_backward, gpu::binary_backward, op, a.view(),
                      b.view(), grad.cview(), grad_a.view(), grad_b.view());
                  return sums_to(grad_a, grad_b, a.shape(), b.shape());
                });
}

/// a + sign * b, whose gradients need neither.
Variable sum_of(const char* name, BinaryOp op, double sign, const Variable& a, const Variable& b) {
  check_same_device(name, a.data(), b.data());
  return record(
      name, {a, b}, joined(op, a.data(), b.data()),
      [sign, a = a.shape(), b = b.shape()](std::span<Tensor> grads, const NeedsGrad& needs) {
        Tensor grad_a, grad_b;
        if (needs[0]) grad_a = sum_to(grads[0], a);
        if (needs[1]) {
          grad_b = sum_to(grads[0], b);
          if (sign != 1) grad_b = mapped(grad_b, {UnaryOp::Affine, sign, 0});
        }
        return std::vector<Tensor>{grad_a, grad_b};
      });
}

}  // namespace

Variable add(const Variable& a, const Variable& b) {
  return sum_of("add", BinaryOp::Add, 1, a, b);
}
Variable subtract(const Variable& a, const Variable& b) {
  return sum_of("subtract", BinaryOp::Subtract, -1, a, b);
}
Variable multiply(const Variable& a, const Variable& b) {
  return binary("multiply", BinaryOp::Multiply, a, b);
}
Variable divide(const Variable& a, const Variable& b) {
  return binary("divide", BinaryOp::Divide, a, b);
}
Variable minimum(const Variable& a, const Variable& b) {
  return binary("minimum", BinaryOp::Minimum, a, b);
}
Variable maximum(const Variable& a, const Variable& b) {
  return binary("maximum", BinaryOp::Maximum, a, b);
}
Variable pow(const Variable& a, const Variable& b) {
  return binary("pow", BinaryOp::Pow, a, b);
}
Variable atan2(const Variable& y, const Variable& x) {
  return binary("atan2", BinaryOp::Atan2, y, x);
}

Variable where(const Tensor& mask, const Variable& a, const Variable& b) {
  check_same_device("where", a.data(), b.data());
  check_same_device("where", a.data(), mask);
  const Shape shape = where_shape(mask.shape(), a.shape(), b.shape());
  const auto choose = [mask, shape](const Tensor& yes, const Tensor& no) {
    Tensor result = Tensor::empty(shape, yes.dtype(), yes.device());
    run(yes.device(), cpu::where, gpu::where, mask.view(), yes.view(), no.view(), result.view());
    return result;
  };
  return record(
      "where", {a, b}, choose(a.data(), b.data()),
      [choose, a = a.shape(), b = b.shape()](std::span<Tensor> grads, const NeedsGrad& needs) {
        const Tensor& grad = grads[0];
        const Tensor zero = Tensor::zeros({}, grad.dtype(), grad.device());
        return sums_to(needs[0] ? choose(grad, zero) : Tensor(),
                       needs[1] ? choose(zero, grad) : Tensor(), a, b);
      });
}

Tensor compare(CompareOp op, const Tensor& a, const Tensor& b) {
  check_same_device("compare", a, b);
  Tensor mask =
      Tensor::empty(broadcast_shape("compare", a.shape(), b.shape()), DType::Bool, a.device());
  run(a.device(), cpu::compare, gpu::compare, op, a.view(), b.view(), mask.view());
  return mask;
}

Tensor compare(CompareOp op, const Tensor& a, double b) {
  return compare(op, a, Tensor::full({}, b, a.dtype(), a.device()));
}

}  // namespace kestrel::autograd
