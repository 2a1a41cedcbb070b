#include <kestrel/engine/optimizers/lamb.h>

#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Optimizer, Lamb, LambOptions, std::vector<ParamGroup>> kLamb{
    "Lamb", "Adam scaled by every parameter's norm"};
const Registration<Optimizer, Lamb, LambOptions, std::vector<ParamGroup>> kLAMB{
    "LAMB", "Adam scaled by every parameter's norm"};

}  // namespace

Lamb::Lamb(const LambOptions& options, std::vector<ParamGroup> groups)
    : Optimizer(std::move(groups), {.lr = options.lr,
                                    .weight_decay = options.weight_decay,
                                    .momentum = options.betas.first,
                                    .states = {"exp_avg", "exp_avg_sq"},
                                    .common_steps = true}),
      rule_{.beta2 = options.betas.second,
            .eps = options.eps,
            .bias_correction = options.bias_correction,
            .grad_averaging = options.grad_averaging,
            .max_grad_norm = options.max_grad_norm,
            .trust_clip = options.trust_clip,
            .always_adapt = options.always_adapt} {
  check_betas(options.betas, options.eps);
  check_option(options.max_grad_norm > 0, "max_grad_norm", "above 0", options.max_grad_norm);
}

void Lamb::update(std::span<const ParamTensor> tensors, Device device, const Tensor& guard) {
  const Tensor norm = clip_grad_norm();
  run(device, cpu::lamb_step, gpu::lamb_step, tensors, rule_, norm.cview(), guard.view());
}

}  // namespace kestrel
