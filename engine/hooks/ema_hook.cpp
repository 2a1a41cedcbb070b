#include <kestrel/engine/hooks/ema_hook.h>

#include <algorithm>
#include <cmath>
#include <set>

#include <kestrel/engine/runner.h>
#include <kestrel/kernels/optimizer.h>
#include <kestrel/registry/registry.h>
#include <kestrel/tensor/safetensors.h>

namespace kestrel {
namespace {

const Registration<Hook, ExpMomentumEmaHook, ExpMomentumEmaOptions, Module&> kExpMomentum{
    "ExpMomentumEMAHook", "moving average of the weights, faster at first, exponentially"};
const Registration<Hook, LinearMomentumEmaHook, LinearMomentumEmaOptions, Module&> kLinear{
    "LinearMomentumEMAHook", "moving average of the weights, faster at first"};
const Registration<Hook, ParameterEmaHook, ParameterEmaOptions, Module&> kParameter{
    "EMAHook", "moving average of the parameters, as mmcv's"};

constexpr std::string_view kEma = "ema.";

double rising_momentum(const EmaOptions& options, double warm_up, int64_t iter) {
  const double most = std::pow(options.momentum, static_cast<double>(options.interval));
  return std::min(most, static_cast<double>(1 + iter) / (warm_up + static_cast<double>(iter)));
}

void check_warm_up(double warm_up) {
  if (!(warm_up > 0)) fail<UsageError>("[ema] warm_up has to be positive, got ", warm_up);
}

}  // namespace

EmaHook::EmaHook(const EmaOptions& options, Module& model) : options_(options), model_(model) {
  if (!(options.momentum > 0 && options.momentum < 1) || options.interval < 1) {
    fail<UsageError>("[ema] momentum has to be between 0 and 1 and interval at least 1, got ",
                     options.momentum, " and ", options.interval);
  }
  start_from_model();
}

void EmaHook::start_from_model() {
  std::set<std::string> own;  // Not averaged.
  if (options_.skip_buffers) {
    for (const auto& [name, buffer] : model_.named_buffers()) own.insert(name);
  }
  averages_.clear();
  for (const auto& [name, tensor] : model_.state_dict()) {
    const bool averaged = tensor.dtype() == DType::Float32 && !own.contains(name);
    averages_.emplace_back(name, averaged ? tensor.clone() : Tensor());
  }
}

template <class F>
void EmaHook::for_each(F f) const {
  StateDict state = model_.state_dict();
  for (size_t i = 0; i < state.size(); ++i) {
    Tensor average = averages_[i].second;
    if (average) f(state[i].first, state[i].second, average);
  }
}

StateDict EmaHook::weights() const {
  StateDict state = model_.state_dict();
  for (size_t i = 0; i < state.size(); ++i) {
    if (averages_[i].second) state[i].second = averages_[i].second;
  }
  return state;
}

void EmaHook::after_iter(Runner& runner) {
  if (!updates(runner.iter())) return;
  std::vector<EmaTensor> tensors;
  Device device;
  for_each([&](const std::string&, const Tensor& value, Tensor& average) {
    device = value.device();
    tensors.push_back({.average = average.view(), .value = value.cview()});
  });
  run(device, cpu::ema_step, gpu::ema_step, std::span<const EmaTensor>(tensors),
      momentum(runner.iter()));
}

void EmaHook::swap() {
  for_each([](const std::string&, Tensor& value, Tensor& average) {
    const Tensor own = value.clone();
    value.copy_from(average);
    average.copy_from(own);
  });
  model_.state_changed();
}

void EmaHook::save(Safetensors& file) const {
  for_each([&](const std::string& name, const Tensor&, const Tensor& average) {
    file.tensors.emplace_back(std::string(kEma) + name, average.device().is_cuda()
                                                            ? average.to(Device::cpu())
                                                            : average.clone());
  });
}

void EmaHook::load(const Safetensors& file) {
  start_from_model();  // For a run that had no average until now.
  const auto is_average = [](const auto& entry) { return entry.first.starts_with(kEma); };
  if (std::ranges::none_of(file.tensors, is_average)) return;
  for_each([&](const std::string& name, const Tensor&, Tensor& average) {
    average.copy_from(file.at(std::string(kEma) + name));
  });
}

ExpMomentumEmaHook::ExpMomentumEmaHook(const ExpMomentumEmaOptions& options, Module& model)
    : EmaHook(options.common, model), total_iter_(options.total_iter) {
  if (!(total_iter_ > 0))
    fail<UsageError>("[ema] total_iter has to be positive, got ", total_iter_);
}

double ExpMomentumEmaHook::momentum(int64_t iter) const {
  const double least = options().momentum;
  return (1 - least) * std::exp(-static_cast<double>(1 + iter) / total_iter_) + least;
}

LinearMomentumEmaHook::LinearMomentumEmaHook(const LinearMomentumEmaOptions& options, Module& model)
    : EmaHook(options.common, model), warm_up_(options.warm_up) {
  check_warm_up(warm_up_);
}

double LinearMomentumEmaHook::momentum(int64_t iter) const {
  return rising_momentum(options(), warm_up_, iter);
}

ParameterEmaHook::ParameterEmaHook(const ParameterEmaOptions& options, Module& model)
    : EmaHook({.momentum = options.momentum, .interval = options.interval, .skip_buffers = true},
              model),
      warm_up_(options.warm_up) {
  check_warm_up(warm_up_);
}

double ParameterEmaHook::momentum(int64_t iter) const {
  return rising_momentum(options(), warm_up_, iter);
}

}  // namespace kestrel
