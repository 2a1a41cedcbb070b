#include <kestrel/autograd/functions/focal_loss.h>

#include <kestrel/autograd/functions/fused_gradient.h>

namespace kestrel::autograd {

Variable focal_loss(const Variable& logits, const Tensor& labels, const Tensor& weights,
                    const FocalLossParams& params, const Tensor& avg_factor) {
  check_same_device("focal_loss", logits.data(), labels);
  const DType dtype = logits.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  Tensor loss = Tensor::empty({}, dtype, logits.device());
  Tensor grad;
  if (wants_grad({&logits})) grad = Tensor::empty_like(logits.data());
  run(logits.device(), cpu::focal_loss, gpu::focal_loss, logits.view(), labels.view(),
      weights.view(), params, avg_factor.view(), loss.view(), grad.view());
  return record("focal_loss", {logits}, std::move(loss), scaled_gradient(std::move(grad)));
}

}  // namespace kestrel::autograd
