#pragma once

#include <functional>
#include <optional>

#include <kestrel/engine/hooks/hook.h>
#include <kestrel/engine/optimizers/optimizer.h>
#include <kestrel/engine/step_numbers.h>

namespace kestrel {

struct GradClipOptions {
  double max_norm = 35;
  double norm_type = 2;

  template <class V>
  void visit(V& v) {
    v("max_norm", max_norm, "the norm of all gradients together is at most this");
    v("norm_type", norm_type, "only 2");
  }
};

/// MMDetection's optimizer_config.
struct OptimizerHookOptions {
  std::optional<GradClipOptions> grad_clip = {};
  int64_t cumulative_iters = 1;

  template <class V>
  void visit(V& v) {
    v("grad_clip", grad_clip, "null: gradients stay as they are");
    v("cumulative_iters", cumulative_iters,
      "gradients of so many iterations are averaged into one update");
  }
};

/// Backward, clip, update, after every iteration. A loss that is not finite, or clipped gradients
/// whose norm is not, leave the weights as they are and end the run with NonFiniteLossError: on a
/// GPU, which nobody waits for, up to StepNumbers::kMaxPending iterations later.
/// Gradients that wait for their update are part of a resume file. AboveNormal.
class OptimizerHook final : public Hook {
 public:
  explicit OptimizerHook(Optimizer& optimizer, const OptimizerHookOptions& options = {});

  void before_epoch(Runner& runner) override;
  void after_iter(Runner& runner) override;
  void after_epoch(Runner& runner) override;
  void save(Safetensors& state) const override;
  void load(const Safetensors& state) override;
  bool trains() const override { return true; }

  /// Of a NonFiniteLossError: how many iterations before the current one it happened.
  int64_t failed_steps_ago() const { return failed_steps_ago_; }

 private:
  void check_numbers(Runner& runner, bool wait);

  Optimizer& optimizer_;
  OptimizerHookOptions options_;
  StepNumbers numbers_;
  int64_t failed_steps_ago_ = 0;
};

}  // namespace kestrel
