#pragma once

#include <filesystem>

#include <kestrel/detection/evaluation/confusion_matrix.h>
#include <kestrel/engine/hooks/hook_context.h>
#include <kestrel/engine/hooks/plot_hook.h>

namespace kestrel {

/// Draws PR_curve.png: precision over recall at IoU 0.5, per class and in the mean.
class PrecisionRecallHook final : public PlotHook {
 public:
  PrecisionRecallHook(const NoOptions& options, const HookContext& context);

 private:
  void draw(const Runner& runner) override;

  std::filesystem::path file_;
  const Evaluation* evaluation_;
};

/// Draws confusion_matrix.png from the detections that score more than 0.25, at IoU 0.45.
class ConfusionMatrixHook final : public PlotHook {
 public:
  ConfusionMatrixHook(const NoOptions& options, const HookContext& context);

 private:
  void draw(const Runner& runner) override;

  std::filesystem::path file_;
  const EvalTruths* truths_;
  const Evaluation* evaluation_;
};

/// Writes coco_results.json: what the last evaluation found, in COCO's results format;
/// and coco_results_segm.json where it has masks.
class CocoResultsHook final : public PlotHook {
 public:
  CocoResultsHook(const NoOptions& options, const HookContext& context);

 private:
  void draw(const Runner& runner) override;

  std::filesystem::path folder_;
  const Dataset* dataset_;
  const EvalTruths* truths_;
  const Evaluation* evaluation_;
};

}  // namespace kestrel
