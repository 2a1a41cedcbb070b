#include <kestrel/engine/optimizers/adam.h>

#include <kestrel/kernels/optimizer.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Optimizer, Adam, AdamOptions, std::vector<ParamGroup>> kAdam{
    "Adam", "steps by the means of gradients and of their squares"};
const Registration<Optimizer, AdamW, AdamWOptions, std::vector<ParamGroup>> kAdamW{
    "AdamW", "Adam with a weight decay of its own"};

}  // namespace

Adam::Adam(const AdamOptions& options, std::vector<ParamGroup> groups, bool decoupled_weight_decay)
    : Optimizer(std::move(groups), options.lr, options.weight_decay),
      options_(options),
      decoupled_weight_decay_(decoupled_weight_decay),
      exp_avg_(make_slots("exp_avg")),
      exp_avg_sq_(make_slots("exp_avg_sq")) {}

void Adam::step(const Tensor& guard) {
  ++steps_;
  std::vector<AdamTensor> tensors;
  Device device;
  for_each_with_grad([&](size_t i, Variable& param, ParamGroup& group) {
    device = param.device();
    tensors.push_back({
        .param = param.view(),
        .grad = param.grad().cview(),
        .exp_avg = slot(exp_avg_, i, param).view(),
        .exp_avg_sq = slot(exp_avg_sq_, i, param).view(),
        .lr = static_cast<float>(group.lr),
        .weight_decay = static_cast<float>(group.weight_decay),
    });
  });
  const AdamParams params{.beta1 = options_.betas.first,
                          .beta2 = options_.betas.second,
                          .eps = options_.eps,
                          .decoupled_weight_decay = decoupled_weight_decay_,
                          .step = steps_};
  run(device, cpu::adam_step, gpu::adam_step, std::span<const AdamTensor>(tensors), params,
      guard.view());
}

StateDict Adam::state_dict() const {
  StateDict state;
  append_state(state, exp_avg_);
  append_state(state, exp_avg_sq_);
  state.emplace_back("step", Tensor::from({steps_}, {}));
  return state;
}

void Adam::load_state_dict(const StateDict& state) {
  load_slots(state, {&exp_avg_, &exp_avg_sq_});
  for (const auto& [name, tensor] : state) {
    if (name == "step") steps_ = tensor.item<int64_t>();
  }
}

}  // namespace kestrel
