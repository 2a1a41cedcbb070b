#pragma once

#include <kestrel/engine/hooks/hook.h>
#include <kestrel/engine/hooks/hook_context.h>
#include <kestrel/engine/hooks/mean_losses.h>

namespace kestrel {

struct LearningWatchOptions {
  double flat = 0.05;
  double risen = 1.5;

  template <class V>
  void visit(V& v) {
    v("flat", flat, "the loss has to fall by this share in the first third of the run");
    v("risen", risen, "how far the loss may rise above the least that it was");
  }
};

/// Warns once, by name, of a run that does not learn: where a third of it is done, of a loss that
/// has hardly fallen since the first twentieth, and of evaluations that found nothing; at any time
/// of a loss that has risen far above the least that it was. The loss is a mean over twentieths of
/// the run, and of 10 iterations at least. What it has seen is in Runner::state.
class LearningWatchHook final : public Hook {
 public:
  LearningWatchHook(const LearningWatchOptions& options, const HookContext& context);

  void after_iter(Runner& runner) override;
  void after_epoch(Runner& runner) override;

 private:
  void end_stretch(Runner& runner);

  LearningWatchOptions options_;
  MeanLosses losses_;       ///< Of the stretch.
  int64_t iterations_ = 0;  ///< Of the stretch.
};

}  // namespace kestrel
