#include <kestrel/engine/optimizers/optimizer.h>

#include <algorithm>
#include <unordered_map>

namespace kestrel {
namespace {

constexpr const char* kMomentumState = "momentum";
constexpr const char* kStepState = "step";
constexpr const char* kProductState = "mu_product";

}  // namespace

void check_option(bool condition, const char* what, const char* expected, double value) {
  if (!condition) {
    fail<UsageError>("[optimizer] ", what, " has to be ", expected, ", got ", value);
  }
}

void check_betas(const std::pair<double, double>& betas, double eps) {
  check_option(betas.first >= 0 && betas.first < 1, "betas[0]", "at least 0 and below 1",
               betas.first);
  check_option(betas.second >= 0 && betas.second < 1, "betas[1]", "at least 0 and below 1",
               betas.second);
  check_option(eps >= 0, "eps", "at least 0", eps);
}

Optimizer::Optimizer(std::vector<ParamGroup> groups, Settings settings)
    : groups_(std::move(groups)), settings_(std::move(settings)) {
  check_option(settings_.lr >= 0, "lr", "at least 0", settings_.lr);
  check_option(settings_.weight_decay >= 0, "weight_decay", "at least 0", settings_.weight_decay);
  check_option(settings_.momentum.value_or(0) >= 0, kMomentumState, "at least 0",
               settings_.momentum.value_or(0));
  std::optional<DType> dtype;
  for (ParamGroup& group : groups_) {
    group.initial_lr *= settings_.lr;
    group.lr = group.initial_lr;
    group.weight_decay *= settings_.weight_decay;
    group.initial_momentum = settings_.momentum.value_or(0);
    group.momentum = group.initial_momentum;
    for (const auto& [name, param] : group.params) {
      const bool is_double = param.dtype() == DType::Float64 && !param.device().is_cuda();
      KESTREL_CHECK(is_double || param.dtype() == DType::Float32, "[optimizer] parameter ", name,
                    " has to be float32 (or, on the CPU, float64), is ", param.dtype());
      KESTREL_CHECK(dtype.value_or(param.dtype()) == param.dtype(), "[optimizer] parameter ", name,
                    " is ", param.dtype(), ", others are not");
      dtype = param.dtype();
      entries_.push_back({.states = std::vector<Tensor>(settings_.states.size())});
    }
  }
}

template <class F>
void Optimizer::for_each_with_grad(F f) {
  auto entry = entries_.begin();
  for (ParamGroup& group : groups_) {
    for (auto& [name, param] : group.params) {
      if (param.grad().defined()) f(param, *entry, group);
      ++entry;
    }
  }
}

void Optimizer::step(const Tensor& guard) {
  const bool momentum = needs_momentum();
  std::vector<ParamTensor> tensors;
  Device device;
  if (settings_.common_steps) {
    for (Entry& entry : entries_) ++entry.steps;
  }
  for_each_with_grad([&](Variable& param, Entry& entry, ParamGroup& group) {
    device = param.device();
    if (!settings_.common_steps) ++entry.steps;
    if (settings_.momentum_decay) {
      entry.momentum_product *=
          nadam_momentum(group.momentum, *settings_.momentum_decay, entry.steps);
    }
    ParamTensor tensor{.param = param.view(),
                       .grad = param.grad().cview(),
                       .lr = group.lr,
                       .weight_decay = group.weight_decay,
                       .momentum = group.momentum,
                       .step = entry.steps,
                       .momentum_product = entry.momentum_product};
    for (size_t i = 0; i < settings_.states.size(); ++i) {
      if (!momentum && settings_.states[i] == kMomentumState) continue;
      tensor.states[i] = state_tensor(entry, i, param).view();
    }
    tensors.push_back(tensor);
  });
  if (!tensors.empty()) update(tensors, device, guard);
}

bool Optimizer::needs_momentum() const {
  const auto place = std::ranges::find(settings_.states, kMomentumState) - settings_.states.begin();
  if (place == std::ssize(settings_.states)) return false;
  return std::ranges::any_of(groups_, [](const ParamGroup& g) { return g.momentum != 0; }) ||
         std::ranges::any_of(entries_, [place](const Entry& entry) {
           return entry.states[static_cast<size_t>(place)].defined();
         });
}

void Optimizer::zero_grad() {
  for (ParamGroup& group : groups_) {
    for (auto& [name, param] : group.params) param.grad() = Tensor();
  }
}

std::vector<View> Optimizer::gradients(Device& device) {
  std::vector<View> grads;
  for_each_with_grad([&](Variable& param, Entry&, ParamGroup&) {
    grads.push_back(param.grad().view());
    device = param.device();
  });
  return grads;
}

Tensor Optimizer::clip_grad_norm(double max_norm, double norm_type) {
  Device device;
  const std::vector<View> grads = gradients(device);
  Tensor norm = Tensor::zeros({}, DType::Float64, device);
  run(device, cpu::clip_grad_norm, gpu::clip_grad_norm, std::span<const View>(grads), max_norm,
      norm_type, norm.view());
  return norm;
}

void Optimizer::clip_grad_value(double limit) {
  Device device;
  const std::vector<View> grads = gradients(device);
  run(device, cpu::clip_grad_value, gpu::clip_grad_value, std::span<const View>(grads), limit);
}

Tensor& Optimizer::state_tensor(Entry& entry, size_t state, const Variable& param) const {
  Tensor& tensor = entry.states[state];
  if (!tensor.defined()) {
    tensor = Tensor::full(param.shape(), settings_.initial_state, param.dtype(), param.device());
  }
  return tensor;
}

StateDict Optimizer::state_dict() const {
  StateDict state;
  auto entry = entries_.begin();
  for (const ParamGroup& group : groups_) {
    for (const auto& [name, param] : group.params) {
      for (size_t i = 0; i < settings_.states.size(); ++i) {
        if (entry->states[i]) {
          state.emplace_back(settings_.states[i] + '.' + name, entry->states[i]);
        }
      }
      if (entry->steps > 0) {
        state.emplace_back(std::string(kStepState) + '.' + name, Tensor::from({entry->steps}, {}));
        if (settings_.momentum_decay) {
          state.emplace_back(std::string(kProductState) + '.' + name,
                             Tensor::from({entry->momentum_product}, {}));
        }
      }
      ++entry;
    }
  }
  return state;
}

void Optimizer::load_entry(const std::string& key, const std::string& kind, const Tensor& value,
                           const Variable& param, Entry& entry) const {
  if (kind == kStepState) {
    entry.steps = value.item<int64_t>();
  } else if (kind == kProductState && settings_.momentum_decay) {
    entry.momentum_product = value.item<double>();
  } else {
    const auto found = std::ranges::find(settings_.states, kind);
    if (found == settings_.states.end()) {
      fail<ModelFileError>("[optimizer] state ", key, " is not of this optimizer");
    }
    if (value.shape() != param.shape()) {
      fail<ModelFileError>("[optimizer] state ", key, " has shape ", value.shape(),
                           ", the parameter ", param.shape());
    }
    state_tensor(entry, static_cast<size_t>(found - settings_.states.begin()), param)
        .copy_from(value);
  }
}

void Optimizer::load_state_dict(const StateDict& state) {
  std::unordered_map<std::string, std::pair<const Variable*, Entry*>> places;
  auto entry = entries_.begin();
  for (const ParamGroup& group : groups_) {
    for (const auto& [name, param] : group.params) places[name] = {&param, &*entry++};
  }
  for (const auto& [key, value] : state) {
    if (key == kStepState) {  // of all parameters, in files before version 0.2
      for (Entry& all : entries_) all.steps = value.item<int64_t>();
      continue;
    }
    const size_t dot = key.find('.');
    const auto found = places.find(dot == std::string::npos ? "" : key.substr(dot + 1));
    if (found == places.end()) {
      fail<ModelFileError>("[optimizer] state ", key, " belongs to no parameter");
    }
    load_entry(key, key.substr(0, dot), value, *found->second.first, *found->second.second);
  }
}

void RuleOptimizer::update(std::span<const ParamTensor> tensors, Device device,
                           const Tensor& guard) {
  run(device, cpu::optimizer_step, gpu::optimizer_step, tensors, rule_, guard.view());
}

std::unique_ptr<Optimizer> build_optimizer(Module& model, const Config& config) {
  Config constructor = Config::map();
  const Config* name = config.find("constructor");
  constructor.set("type", name ? *name : Config("DefaultOptimizerConstructor"));
  if (const Config* node = config.find("paramwise_cfg"); node && !node->is_null()) {
    for (const Config::Entry& entry : node->entries()) constructor.set(entry.key, entry.value);
  }
  Config own = config;
  own.erase("paramwise_cfg");
  own.erase("constructor");
  return build<Optimizer, std::vector<ParamGroup>>(
      own, build<OptimizerConstructor>(constructor)->groups(model));
}

}  // namespace kestrel
