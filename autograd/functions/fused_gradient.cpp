#include <kestrel/autograd/functions/fused_gradient.h>

#include <kestrel/kernels/elementwise.h>

namespace kestrel::autograd {

Backward scaled_gradient(Tensor gradient) {
  return [gradient = std::move(gradient)](std::span<Tensor> grad_outputs,
                                          const NeedsGrad&) -> std::vector<Tensor> {
    const auto factor = grad_outputs[0].item<double>();
    if (factor == 1) return {gradient};
    Tensor scaled = Tensor::empty(gradient.shape(), gradient.dtype(), gradient.device());
    run(gradient.device(), cpu::affine, gpu::affine, gradient.cview(), factor, 0.0, scaled.view());
    return {scaled};
  };
}

}  // namespace kestrel::autograd
