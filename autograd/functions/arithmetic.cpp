#include <kestrel/autograd/functions/arithmetic.h>

#include <kestrel/kernels/elementwise.h>

namespace kestrel::autograd {
namespace {

/// Memory for the gradient of an elementwise function: that of its output's where nobody else looks
/// at it.
Tensor reuse(Tensor& grad) {
  return grad.unique() ? grad : Tensor::empty_like(grad);
}

void check_equal(const char* op, const Variable& a, const Variable& b) {
  KESTREL_CHECK(a.shape() == b.shape() && a.dtype() == b.dtype(), "[", op, "] ", a.dtype(),
                a.shape(), " and ", b.dtype(), b.shape(), " differ");
}

Tensor product(const Tensor& a, const Tensor& b) {
  Tensor result = Tensor::empty_like(a);
  run(a.device(), cpu::multiply, gpu::multiply, a.view(), b.view(), result.view());
  return result;
}

Tensor scaled(const Tensor& x, double factor, double offset = 0) {
  Tensor result = Tensor::empty_like(x);
  run(x.device(), cpu::affine, gpu::affine, x.view(), factor, offset, result.view());
  return result;
}

Variable scaled_sum(const char* op, const Variable& x, double factor) {
  Tensor total = Tensor::empty({}, x.dtype(), x.device());
  run(x.device(), cpu::sum, gpu::sum, x.view(), total.view());
  if (factor != 1) total = scaled(total, factor);
  return record(op, {x}, std::move(total),
                [shape = x.shape(), factor](std::span<Tensor> grads, const NeedsGrad&) {
                  Tensor grad = Tensor::empty(shape, grads[0].dtype(), grads[0].device());
                  run(grad.device(), cpu::broadcast, gpu::broadcast, grads[0].cview(), factor,
                      grad.view());
                  return std::vector<Tensor>{grad};
                });
}

}  // namespace

Variable add(const Variable& a, const Variable& b) {
  check_equal("add", a, b);
  Tensor result = Tensor::empty_like(a.data());
  run(a.device(), cpu::add, gpu::add, a.view(), b.view(), result.view());
  return record("add", {a, b}, std::move(result), [](std::span<Tensor> grads, const NeedsGrad&) {
    return std::vector<Tensor>{grads[0], grads[0]};
  });
}

Variable subtract(const Variable& a, const Variable& b) {
  check_equal("subtract", a, b);
  Tensor result = Tensor::empty_like(a.data());
  run(a.device(), cpu::subtract, gpu::subtract, a.view(), b.view(), result.view());
  return record("subtract", {a, b}, std::move(result),
                [](std::span<Tensor> grads, const NeedsGrad& needs) {
                  std::vector<Tensor> result_grads{grads[0], Tensor()};
                  if (needs[1]) result_grads[1] = scaled(grads[0], -1);
                  return result_grads;
                });
}

Variable multiply(const Variable& a, const Variable& b) {
  check_equal("multiply", a, b);
  return record("multiply", {a, b}, product(a.data(), b.data()),
                [a = a.data(), b = b.data()](std::span<Tensor> grads, const NeedsGrad& needs) {
                  std::vector<Tensor> result(2);
                  if (needs[0]) result[0] = product(grads[0], b);
                  if (needs[1]) result[1] = product(grads[0], a);
                  return result;
                });
}

Variable scale(const Variable& x, double factor) {
  return record("scale", {x}, scaled(x.data(), factor),
                [factor](std::span<Tensor> grads, const NeedsGrad&) {
                  return std::vector<Tensor>{scaled(grads[0], factor)};
                });
}

Variable add_scalar(const Variable& x, double value) {
  return record(
      "add_scalar", {x}, scaled(x.data(), 1, value),
      [](std::span<Tensor> grads, const NeedsGrad&) { return std::vector<Tensor>{grads[0]}; });
}

Variable relu(const Variable& x) {
  Tensor y = Tensor::empty_like(x.data());
  run(x.device(), cpu::relu_forward, gpu::relu_forward, x.view(), y.view());
  return record("relu", {x}, y, [y](std::span<Tensor> grads, const NeedsGrad&) {
    Tensor grad = reuse(grads[0]);
    run(y.device(), cpu::relu_backward, gpu::relu_backward, y.view(), grads[0].cview(),
        grad.view());
    return std::vector<Tensor>{grad};
  });
}

Variable sigmoid(const Variable& x) {
  Tensor y = Tensor::empty_like(x.data());
  run(x.device(), cpu::sigmoid_forward, gpu::sigmoid_forward, x.view(), y.view());
  return record("sigmoid", {x}, y, [y](std::span<Tensor> grads, const NeedsGrad&) {
    Tensor grad = reuse(grads[0]);
    run(y.device(), cpu::sigmoid_backward, gpu::sigmoid_backward, y.view(), grads[0].cview(),
        grad.view());
    return std::vector<Tensor>{grad};
  });
}

Variable sum(const Variable& x) {
  return scaled_sum("sum", x, 1);
}

Variable mean(const Variable& x) {
  return scaled_sum("mean", x, 1 / static_cast<double>(x.numel()));
}

}  // namespace kestrel::autograd
