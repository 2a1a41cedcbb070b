#include <kestrel/engine/hooks/learning_watch_hook.h>

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include <kestrel/engine/hooks/eval_hook.h>
#include <kestrel/engine/runner.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/log.h>

namespace kestrel {
namespace {

const HookRegistration<LearningWatchHook, LearningWatchOptions> kLearningWatch{
    "LearningWatchHook", "warns of a run that does not learn"};

constexpr const char* kMeans = "learning_watch_means";
constexpr const char* kBestMetric = "learning_watch_best";
constexpr int64_t kStretches = 20, kLeastIterations = 10;

int64_t stretch_of(const Runner& runner) {
  return std::max(kLeastIterations, runner.max_iters() / kStretches);
}

std::vector<double> means_of(const Runner& runner) {
  std::vector<double> means;
  const auto found = runner.state.find(kMeans);
  std::istringstream text(found == runner.state.end() ? "" : found->second);
  for (double value = 0; text >> value;) means.push_back(value);
  return means;
}

/// Says it once in a run, resumed or not.
void tell_once(Runner& runner, const std::string& name, const std::string& text) {
  if (!runner.state.emplace("learning_watch_" + name, "told").second) return;
  warn("[watch] " + text);
}

}  // namespace

LearningWatchHook::LearningWatchHook(const LearningWatchOptions& options, const HookContext&)
    : options_(options) {
  if (!(options.flat >= 0 && options.flat < 1) || !(options.risen > 1)) {
    fail<UsageError>("[LearningWatchHook] flat must be in [0, 1) and risen above 1, got ",
                     options.flat, " and ", options.risen);
  }
}

void LearningWatchHook::after_iter(Runner& runner) {
  losses_.add(runner.result());
  if (++iterations_ >= stretch_of(runner)) end_stretch(runner);
}

void LearningWatchHook::end_stretch(Runner& runner) {
  std::vector<double> means = means_of(runner);
  means.push_back(losses_.means().back().second);
  runner.state[kMeans] = fmt::format("{}", fmt::join(means, " "));
  losses_.reset();
  iterations_ = 0;
  const double least = std::ranges::min(means), last = means.back();
  if (last > options_.risen * least) {
    tell_once(runner, "risen",
              fmt::format("the loss has risen to {:.3g}, from {:.3g} at its least: the learning "
                          "rate is too high (optimizer.lr, --lr; clipped gradients help: "
                          "optimizer_config.grad_clip={{max_norm: 10}})",
                          last, least));
  }
  const int64_t third = runner.max_iters() / 3;
  const bool at_third = (std::ssize(means) - 1) * stretch_of(runner) < third &&
                        std::ssize(means) * stretch_of(runner) >= third;
  if (at_third && means.size() > 1 && least > (1 - options_.flat) * means.front()) {
    tell_once(runner, "flat",
              fmt::format("the loss is flat: {:.3g} in the first {} iterations, {:.3g} after a "
                          "third of the run; look at train_batch0.jpg and labels.png, try another "
                          "--lr, or --overfit-batch, which must bring the loss to nothing",
                          means.front(), stretch_of(runner), last));
  }
}

void LearningWatchHook::after_epoch(Runner& runner) {
  if (runner.metrics.empty()) return;
  const auto& [name, value] = runner.metrics.front();
  if (says_nothing(name, value) || lower_is_better(name)) return;
  double best = value;
  if (const auto before = runner.state.find(kBestMetric); before != runner.state.end()) {
    best = std::max(best, std::stod(before->second));
  }
  runner.state[kBestMetric] = fmt::format("{}", best);
  if (best > 0 || 3 * (runner.epoch() + 1) < runner.max_epochs()) return;
  tell_once(runner, "nothing",
            fmt::format("{} is still 0 after epoch {} of {}: nothing is found yet; does "
                        "val_batch0_labels.jpg show the right objects, and are the classes of "
                        "training and validation the same?",
                        name, runner.epoch() + 1, runner.max_epochs()));
}

}  // namespace kestrel
