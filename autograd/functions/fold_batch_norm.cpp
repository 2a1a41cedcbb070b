#include <kestrel/autograd/functions/fold_batch_norm.h>

#include <kestrel/kernels/channels.h>

namespace kestrel::autograd {

FoldedBatchNorm fold_batch_norm(const Variable& weight, const Variable& gamma, const Variable& beta,
                                const Tensor& mean, const Tensor& var, double eps) {
  Tensor folded = Tensor::empty_like(weight.data());
  Tensor shift = Tensor::empty(gamma.shape(), weight.dtype(), weight.device());
  run(weight.device(), cpu::fold_batch_norm, gpu::fold_batch_norm, weight.view(), gamma.view(),
      beta.view(), mean.view(), var.view(), eps, folded.view(), shift.view());
  const Tensor w = weight.data();
  const Tensor g = gamma.data();
  std::vector<Variable> outputs =
      record("fold_batch_norm", {weight, gamma, beta}, std::vector<Tensor>{folded, shift},
             [=](std::span<Tensor> grads, const NeedsGrad& needs) -> std::vector<Tensor> {
               const auto zeros_if_absent = [](const Tensor& grad, const Tensor& like) {
                 return grad ? grad : Tensor::zeros(like.shape(), like.dtype(), like.device());
               };
               const Tensor grad_folded = zeros_if_absent(grads[0], w);
               const Tensor grad_shift = zeros_if_absent(grads[1], g);
               const auto empty_if = [](bool needed, const Tensor& like) {
                 return needed ? Tensor::empty_like(like) : Tensor();
               };
               Tensor grad_w = empty_if(needs[0], w);
               Tensor grad_gamma = empty_if(needs[1], g);
               Tensor grad_beta = empty_if(needs[2], g);
               run(w.device(), cpu::fold_batch_norm_backward, gpu::fold_batch_norm_backward,
                   grad_folded.view(), grad_shift.view(), w.view(), g.view(), mean.view(),
                   var.view(), eps, grad_w.view(), grad_gamma.view(), grad_beta.view());
               return {grad_w, grad_gamma, grad_beta};
             });
  return {outputs[0], outputs[1]};
}

}  // namespace kestrel::autograd
