#include <kestrel/engine/hooks/optimizer_hook.h>

#include <cmath>
#include <sstream>

#include <kestrel/engine/runner.h>
#include <kestrel/kernels/log.h>
#include <kestrel/tensor/safetensors.h>

namespace kestrel {
namespace {

constexpr std::string_view kGradient = "gradient.";

[[noreturn]] void fail_not_finite(const StepNumbers::Step& step, const char* what, double value) {
  std::ostringstream parts;
  for (const auto& [name, part] : step.losses)
    parts << ", " << name << " = " << part.item<double>();
  fail<NonFiniteLossError>("[train] the ", what, " became ", value, " in epoch ", step.epoch + 1,
                           ", iteration ", step.inner_iter + 1, " (learning rate ", step.lr,
                           parts.str(),
                           "); lower the learning rate, lengthen the warm-up or set "
                           "optimizer_config.grad_clip");
}

}  // namespace

OptimizerHook::OptimizerHook(Optimizer& optimizer, const OptimizerHookOptions& options)
    : optimizer_(optimizer), options_(options) {
  if (options.cumulative_iters < 1) {
    fail<UsageError>("[optimizer_config] cumulative_iters has to be at least 1, got ",
                     options.cumulative_iters);
  }
  if (options.type != "OptimizerHook" && options.type != "GradientCumulativeOptimizerHook") {
    fail<UsageError>(
        "[optimizer_config] type has to be OptimizerHook or GradientCumulativeOptimizerHook, got ",
        options.type);
  }
  if (options.grad_clip) check_grad_clip(*options.grad_clip);
}

void OptimizerHook::before_run(Runner& runner) {
  // Else gradients of the iterations before wait for their update.
  if (runner.iter() % options_.cumulative_iters == 0) optimizer_.zero_grad();
}

void OptimizerHook::warn_of_missing_gradients() {
  for (const ParamGroup& group : optimizer_.groups()) {
    for (const auto& [name, param] : group.params) {
      if (!param.requires_grad() || param.grad() || !warned_of_.insert(name).second) continue;
      warn("[optimizer_config] the loss does not depend on parameter " + name);
    }
  }
}

void OptimizerHook::save(Safetensors& state) const {
  for (const ParamGroup& group : optimizer_.groups()) {
    for (const auto& [name, param] : group.params) {
      if (!param.grad()) continue;
      const Tensor& grad = param.grad();
      state.tensors.emplace_back(std::string(kGradient) + name,
                                 grad.device().is_cuda() ? grad.to(Device::cpu()) : grad.clone());
    }
  }
}

void OptimizerHook::load(const Safetensors& state) {
  for (ParamGroup& group : optimizer_.groups()) {
    for (auto& [name, param] : group.params) {
      for (const auto& [key, tensor] : state.tensors) {
        if (!key.starts_with(kGradient) || key.substr(kGradient.size()) != name) continue;
        param.grad() = Tensor::empty_like(param.data());
        param.grad().copy_from(tensor);
      }
    }
  }
}

void OptimizerHook::after_iter(Runner& runner) {
  const int64_t n = options_.cumulative_iters;
  const StepResult& result = runner.result();
  const Tensor loss = result.loss.data().to(DType::Float64);
  StepNumbers::Step step{
      .epoch = runner.epoch(), .inner_iter = runner.inner_iter(), .lr = runner.lr};
  for (const auto& [name, part] : result.losses) step.losses.emplace_back(name, part.data());
  // Where the number is there already, nothing is spent on a step that has failed.
  const bool at_hand = !loss.device().is_cuda();
  if (at_hand && !std::isfinite(loss.item<double>())) {
    fail_not_finite(step, "loss", loss.item<double>());
  }

  const int64_t first_of_update = runner.iter() / n * n;
  const int64_t iters_of_update = std::min(n, runner.max_iters() - first_of_update);
  const double share = 1.0 / static_cast<double>(iters_of_update);
  if (result.differentiate) {
    result.differentiate(share);
  } else {
    const Variable& whole = result.loss;
    whole.backward(Tensor::full(whole.shape(), share, whole.dtype(), whole.device()));
  }
  if (options_.detect_anomalous_params) warn_of_missing_gradients();
  const bool update = runner.iter() + 1 == first_of_update + iters_of_update;
  Tensor norm;
  // Of gradients that are summed over steps, or clipped, the norm says whether they are finite.
  if (update && options_.grad_clip) {
    norm = clip(optimizer_, *options_.grad_clip);
  } else if (update && n > 1) {
    norm = optimizer_.clip_grad_norm();
  }
  numbers_.add(std::move(step), loss, norm);
  if (at_hand) check_numbers(runner, true);
  if (update) {
    optimizer_.step(norm ? norm : loss);
    optimizer_.zero_grad();
  }
  check_numbers(runner, false);
}

void OptimizerHook::after_epoch(Runner& runner) {
  check_numbers(runner, true);
}

void OptimizerHook::check_numbers(Runner& runner, bool wait) {
  while (const auto arrived = numbers_.take(wait)) {
    failed_steps_ago_ = arrived->steps_ago;
    if (!std::isfinite(arrived->loss)) fail_not_finite(arrived->step, "loss", arrived->loss);
    if (!std::isfinite(arrived->grad_norm)) {
      fail_not_finite(arrived->step, "norm of the gradients", arrived->grad_norm);
    }
    if (options_.grad_clip) runner.grad_norm = arrived->grad_norm;
  }
}

}  // namespace kestrel
