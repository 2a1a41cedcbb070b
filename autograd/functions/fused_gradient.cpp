#include <kestrel/autograd/functions/fused_gradient.h>

#include <kestrel/kernels/scale.h>

namespace kestrel::autograd {

Backward scaled_gradient(Tensor gradient) {
  return [gradient = std::move(gradient)](std::span<Tensor> grad_outputs,
                                          const NeedsGrad&) -> std::vector<Tensor> {
    const Tensor& factor = grad_outputs[0];
    // On a GPU nobody waits to see whether it is 1.
    if (!factor.device().is_cuda() && factor.item<double>() == 1) return {gradient};
    Tensor scaled = Tensor::empty_like(gradient);
    run(gradient.device(), cpu::scale, gpu::scale, gradient.cview(), factor.view(), scaled.view());
    return {scaled};
  };
}

}  // namespace kestrel::autograd
