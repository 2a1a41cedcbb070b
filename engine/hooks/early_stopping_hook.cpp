#include <kestrel/engine/hooks/early_stopping_hook.h>

#include <cstdlib>

#include <fmt/format.h>

#include <kestrel/engine/hooks/eval_hook.h>
#include <kestrel/engine/runner.h>
#include <kestrel/kernels/log.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Hook, EarlyStoppingHook, EarlyStoppingOptions, Module&> kEarlyStopping{
    "EarlyStoppingHook", "ends the run when a metric no longer improves"};

constexpr const char* kBest = "early_stopping_best";
constexpr const char* kWaited = "early_stopping_waited";

int64_t waited(const Runner& runner) {
  const auto found = runner.state.find(kWaited);
  return found == runner.state.end() ? 0 : std::atoll(found->second.c_str());
}

}  // namespace

EarlyStoppingHook::EarlyStoppingHook(const EarlyStoppingOptions& options, Module&)
    : options_(options) {
  if (options.patience < 1) {
    fail<UsageError>("[early_stopping] patience has to be at least 1, got ", options.patience);
  }
}

void EarlyStoppingHook::before_run(Runner& runner) {
  if (waited(runner) >= options_.patience) runner.stop();
}

void EarlyStoppingHook::after_epoch(Runner& runner) {
  if (runner.metrics.empty()) return;  // not evaluated in this epoch
  const auto& [name, score] = find_metric("early_stopping", runner.metrics, options_.monitor);
  // Where nothing is annotated, no evaluation tells whether it gets better.
  if (score == -1 && says_nothing(name, score)) return;
  const auto best = runner.state.find(kBest);
  const double before = best == runner.state.end() ? std::nan("") : std::stod(best->second);
  const double gain = lower_is_better(name) ? before - score : score - before;
  if (gain > options_.min_delta || (std::isnan(before) && !std::isnan(score))) {
    runner.state[kBest] = fmt::format("{}", score);
    runner.state[kWaited] = std::to_string(0);
    return;
  }
  const int64_t count = waited(runner) + 1;
  runner.state[kWaited] = std::to_string(count);
  if (count < options_.patience) return;
  warn(fmt::format("[early_stopping] {} was not above {} in {} evaluations: the run ends here",
                   name, runner.state[kBest], count));
  runner.stop();
}

}  // namespace kestrel
