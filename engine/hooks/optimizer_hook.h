#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>

#include <kestrel/engine/hooks/hook.h>
#include <kestrel/engine/optimizers/grad_clip.h>
#include <kestrel/engine/optimizers/optimizer.h>
#include <kestrel/engine/step_numbers.h>

namespace kestrel {

/// MMDetection's optimizer_config.
struct OptimizerHookOptions {
  /// OptimizerHook or GradientCumulativeOptimizerHook, which here are the same.
  std::string type = "OptimizerHook";
  std::optional<GradClipOptions> grad_clip = {};
  /// Gradients of so many iterations are averaged into one update, as if their batches were one
  /// (where the loss is a mean over images), across epochs; the last update of a run may have
  /// fewer.
  int64_t cumulative_iters = 1;
  /// Warns of parameters that are to be trained and get no gradient.
  bool detect_anomalous_params = false;

  template <class V>
  void visit(V& v) {
    v("type", type, "OptimizerHook or GradientCumulativeOptimizerHook");
    v("grad_clip", grad_clip, "null: gradients stay as they are");
    v("cumulative_iters", cumulative_iters,
      "gradients of so many iterations are averaged into one update");
    v("detect_anomalous_params", detect_anomalous_params,
      "warns of parameters that the loss does not depend on");
  }
};

/// Backward, clip, update, after every iteration. A loss that is not finite, or clipped gradients
/// whose norm is not, leave the weights as they are and end the run with NonFiniteLossError: on a
/// GPU, which nobody waits for, up to StepNumbers::kMaxPending iterations later.
/// Gradients that wait for their update are part of a resume file. AboveNormal.
class OptimizerHook final : public Hook {
 public:
  explicit OptimizerHook(Optimizer& optimizer, const OptimizerHookOptions& options = {});

  void before_run(Runner& runner) override;
  void after_iter(Runner& runner) override;
  void after_epoch(Runner& runner) override;
  void save(Safetensors& state) const override;
  void load(const Safetensors& state) override;
  bool trains() const override { return true; }

  /// Of a NonFiniteLossError: how many iterations before the current one it happened.
  int64_t failed_steps_ago() const { return failed_steps_ago_; }

 private:
  void check_numbers(Runner& runner, bool wait);
  void warn_of_missing_gradients();

  Optimizer& optimizer_;
  OptimizerHookOptions options_;
  StepNumbers numbers_;
  std::set<std::string> warned_of_;
  int64_t failed_steps_ago_ = 0;
};

}  // namespace kestrel
