#include <kestrel/engine/hooks/optimizer_hook.h>

#include <cmath>
#include <sstream>

#include <kestrel/engine/runner.h>

namespace kestrel {
namespace {

[[noreturn]] void fail_loss(const Runner& runner, double loss) {
  std::ostringstream parts;
  for (const auto& [name, value] : runner.result().losses) {
    parts << ", " << name << " = " << value.data().item<double>();
  }
  fail("[train] the loss became ", loss, " in epoch ", runner.epoch() + 1, ", iteration ",
       runner.inner_iter() + 1, " (learning rate ", runner.lr, parts.str(),
       "); lower the learning rate, lengthen the warm-up or set optimizer_config.grad_clip");
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

void OptimizerHook::before_epoch(Runner&) {
  optimizer_.zero_grad();
}

void OptimizerHook::after_iter(Runner& runner) {
  const int64_t n = options_.cumulative_iters;
  const Variable& loss = runner.result().loss;
  const double value = loss.data().item<double>();
  if (!std::isfinite(value)) fail_loss(runner, value);

  const int64_t first_of_update = runner.inner_iter() / n * n;
  const int64_t iters_of_update = std::min(n, runner.epoch_length() - first_of_update);
  const double share = 1.0 / static_cast<double>(iters_of_update);
  loss.backward(Tensor::full(loss.shape(), share, loss.dtype(), loss.device()));

  if (runner.inner_iter() + 1 < first_of_update + iters_of_update) return;
  if (options_.grad_clip) {
    runner.grad_norm = optimizer_.clip_grad_norm(options_.grad_clip->max_norm);
  }
  optimizer_.step();
  optimizer_.zero_grad();
}

}  // namespace kestrel
