#include <kestrel/autograd/functions/box_loss.h>

#include <kestrel/autograd/functions/fused_gradient.h>
#include <kestrel/autograd/functions/shape_ops.h>

namespace kestrel::autograd {

Variable box_loss(const Variable& pred, const Tensor& target, const Tensor& weights,
                  const BoxLossParams& params, const Tensor& avg_factor) {
  check_same_device("box_loss", pred.data(), target);
  if (pred.dtype() == DType::BFloat16) {
    return box_loss(cast(pred, DType::Float32), target, weights, params, avg_factor);
  }
  Tensor loss = Tensor::empty({}, pred.dtype(), pred.device());
  Tensor grad;
  if (wants_grad({&pred})) grad = Tensor::empty_like(pred.data());
  run(pred.device(), cpu::box_loss, gpu::box_loss, pred.view(), target.view(), weights.view(),
      params, avg_factor.view(), loss.view(), grad.view());
  return record("box_loss", {pred}, std::move(loss), scaled_gradient(std::move(grad)));
}

}  // namespace kestrel::autograd
