#include <kestrel/engine/optimizers/optimizer.h>

#include <algorithm>

#include <kestrel/kernels/optimizer.h>
#include <kestrel/registry/registry.h>

namespace kestrel {

Optimizer::Optimizer(std::vector<ParamGroup> groups, double lr, double weight_decay)
    : groups_(std::move(groups)) {
  for (ParamGroup& group : groups_) {
    group.initial_lr *= lr;
    group.lr = group.initial_lr;
    group.weight_decay *= weight_decay;
    for (const auto& [name, param] : group.params) {
      KESTREL_CHECK(param.dtype() == DType::Float32, "[optimizer] parameter ", name,
                    " has to be float32, is ", param.dtype());
    }
  }
}

void Optimizer::zero_grad() {
  for (ParamGroup& group : groups_) {
    for (auto& [name, param] : group.params) param.grad() = Tensor();
  }
}

Tensor Optimizer::clip_grad_norm(double max_norm) {
  std::vector<View> grads;
  Device device;
  for_each_with_grad([&](size_t, Variable& param, ParamGroup&) {
    grads.push_back(param.grad().view());
    device = param.device();
  });
  Tensor norm = Tensor::zeros({}, DType::Float64, device);
  run(device, cpu::clip_grad_norm, gpu::clip_grad_norm, std::span<const View>(grads), max_norm,
      norm.view());
  return norm;
}

Optimizer::Slots Optimizer::make_slots(std::string name) const {
  size_t count = 0;
  for (const ParamGroup& group : groups_) count += group.params.size();
  return {std::move(name), std::vector<Tensor>(count)};
}

Tensor& Optimizer::slot(Slots& slots, size_t i, const Variable& param) {
  Tensor& tensor = slots.tensors[i];
  if (!tensor.defined()) tensor = Tensor::zeros(param.shape(), param.dtype(), param.device());
  return tensor;
}

void Optimizer::append_state(StateDict& state, const Slots& slots) const {
  size_t i = 0;
  for (const ParamGroup& group : groups_) {
    for (const auto& [name, param] : group.params) {
      const Tensor& tensor = slots.tensors[i++];
      if (tensor.defined()) state.emplace_back(slots.name + '.' + name, tensor);
    }
  }
}

void Optimizer::load_slots(const StateDict& state, std::initializer_list<Slots*> all) const {
  for (const auto& [key, tensor] : state) {
    if (key == "step") continue;
    bool found = false;
    for (Slots* slots : all) {
      size_t i = 0;
      for (const ParamGroup& group : groups_) {
        for (const auto& [name, param] : group.params) {
          if (!found && key == slots->name + '.' + name) {
            found = true;
            if (tensor.shape() != param.shape()) {
              fail<ModelFileError>("[optimizer] state ", key, " has shape ", tensor.shape(),
                                   ", the parameter ", param.shape());
            }
            slot(*slots, i, param).copy_from(tensor);
          }
          ++i;
        }
      }
    }
    if (!found) fail<ModelFileError>("[optimizer] state ", key, " belongs to no parameter");
  }
}

std::unique_ptr<Optimizer> build_optimizer(Module& model, const Config& config) {
  ParamwiseOptions paramwise;
  if (const Config* node = config.find("paramwise_cfg"); node && !node->is_null()) {
    paramwise = read_options<ParamwiseOptions>(*node);
  }
  Config own = config;
  own.erase("paramwise_cfg");
  return build<Optimizer, std::vector<ParamGroup>>(own, make_param_groups(model, paramwise));
}

}  // namespace kestrel
