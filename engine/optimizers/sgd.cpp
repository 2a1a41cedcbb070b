#include <kestrel/engine/optimizers/sgd.h>

#include <kestrel/kernels/optimizer.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Optimizer, SGD, SGDOptions, std::vector<ParamGroup>> kSGD{
    "SGD", "stochastic gradient descent with momentum"};

}  // namespace

SGD::SGD(const SGDOptions& options, std::vector<ParamGroup> groups)
    : Optimizer(std::move(groups), options.lr, options.weight_decay),
      options_(options),
      momentum_(make_slots("momentum")) {
  if (options.nesterov && options.momentum == 0) {
    fail<UsageError>("[sgd] nesterov needs a momentum");
  }
}

void SGD::step(const Tensor& guard) {
  std::vector<SgdTensor> tensors;
  Device device;
  for_each_with_grad([&](size_t i, Variable& param, ParamGroup& group) {
    device = param.device();
    tensors.push_back({
        .param = param.view(),
        .grad = param.grad().cview(),
        .momentum = options_.momentum == 0 ? View() : slot(momentum_, i, param).view(),
        .lr = static_cast<float>(group.lr),
        .weight_decay = static_cast<float>(group.weight_decay),
    });
  });
  const SgdParams params{.momentum = static_cast<float>(options_.momentum),
                         .nesterov = options_.nesterov};
  run(device, cpu::sgd_step, gpu::sgd_step, std::span<const SgdTensor>(tensors), params,
      guard.view());
}

StateDict SGD::state_dict() const {
  StateDict state;
  append_state(state, momentum_);
  return state;
}

void SGD::load_state_dict(const StateDict& state) {
  load_slots(state, {&momentum_});
}

}  // namespace kestrel
