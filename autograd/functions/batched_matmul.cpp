#include <kestrel/autograd/functions/batched_matmul.h>

#include <kestrel/kernels/matmul.h>

namespace kestrel::autograd {
namespace {

Tensor batch_product(const Tensor& a, bool trans_a, const Tensor& b, bool trans_b) {
  KESTREL_CHECK(a.dims() == 3 && b.dims() == 3,
                "[batched_matmul] wants (B, M, K) and (B, K, N), got ", a.shape(), " and ",
                b.shape());
  Tensor c = Tensor::empty({a.size(0), a.size(trans_a ? 2 : 1), b.size(trans_b ? 1 : 2)}, a.dtype(),
                           a.device());
  run(a.device(), cpu::batched_matmul, gpu::batched_matmul, a.view(), b.view(), c.view(),
      MatmulParams{.trans_a = trans_a, .trans_b = trans_b});
  return c;
}

}  // namespace

Variable batched_matmul(const Variable& a, const Variable& b, bool trans_a, bool trans_b) {
  check_same_device("batched_matmul", a.data(), b.data());
  const DType dtype =
      autocast_enabled() && a.dtype() == DType::Float32 ? DType::BFloat16 : a.dtype();
  const Tensor left = a.data().to(dtype), right = b.data().to(dtype);
  return record("batched_matmul", {a, b}, batch_product(left, trans_a, right, trans_b),
                [=](std::span<Tensor> grads, const NeedsGrad& needs) {
                  // c = a b: the gradient of a is g b^T, that of b is a^T g; where an operand is
                  // transposed, so is its gradient.
                  const Tensor& g = grads[0];
                  Tensor grad_a, grad_b;
                  if (needs[0]) {
                    grad_a = trans_a ? batch_product(right, trans_b, g, true)
                                     : batch_product(g, false, right, !trans_b);
                  }
                  if (needs[1]) {
                    grad_b = trans_b ? batch_product(g, true, left, trans_a)
                                     : batch_product(left, !trans_a, g, false);
                  }
                  return std::vector<Tensor>{grad_a, grad_b};
                });
}

}  // namespace kestrel::autograd
