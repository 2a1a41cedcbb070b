#include <kestrel/engine/hooks/optimizer_hook.h>

#include <cmath>
#include <sstream>

#include <kestrel/engine/runner.h>
#include <kestrel/tensor/safetensors.h>

namespace kestrel {
namespace {

constexpr std::string_view kGradient = "gradient.";

[[noreturn]] void fail_not_finite(const Runner& runner, const char* what, double value) {
  std::ostringstream parts;
  for (const auto& [name, part] : runner.result().losses) {
    parts << ", " << name << " = " << part.data().item<double>();
  }
  fail<NonFiniteLossError>("[train] the ", what, " became ", value, " in epoch ",
                           runner.epoch() + 1, ", iteration ", runner.inner_iter() + 1,
                           " (learning rate ", runner.lr, parts.str(),
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
  if (options.grad_clip && options.grad_clip->norm_type != 2) {
    fail<UsageError>("[optimizer_config] norm_type has to be 2, got ",
                     options.grad_clip->norm_type);
  }
}

void OptimizerHook::before_epoch(Runner& runner) {
  if (runner.inner_iter() == 0) optimizer_.zero_grad();
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
        param.grad() = Tensor::empty(param.shape(), param.dtype(), param.device());
        param.grad().copy_from(tensor);
      }
    }
  }
}

void OptimizerHook::after_iter(Runner& runner) {
  const int64_t n = options_.cumulative_iters;
  const Variable& loss = runner.result().loss;
  const double value = loss.data().item<double>();
  if (!std::isfinite(value)) fail_not_finite(runner, "loss", value);

  const int64_t first_of_update = runner.inner_iter() / n * n;
  const int64_t iters_of_update = std::min(n, runner.epoch_length() - first_of_update);
  const double share = 1.0 / static_cast<double>(iters_of_update);
  loss.backward(Tensor::full(loss.shape(), share, loss.dtype(), loss.device()));

  if (runner.inner_iter() + 1 < first_of_update + iters_of_update) return;
  if (options_.grad_clip) {
    runner.grad_norm = optimizer_.clip_grad_norm(options_.grad_clip->max_norm);
    if (!std::isfinite(runner.grad_norm)) {
      fail_not_finite(runner, "norm of the gradients", runner.grad_norm);
    }
  }
  optimizer_.step();
  optimizer_.zero_grad();
}

}  // namespace kestrel
