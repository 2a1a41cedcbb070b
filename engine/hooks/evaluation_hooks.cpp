#include <kestrel/engine/hooks/evaluation_hooks.h>

#include <span>

#include <kestrel/data/file.h>
#include <kestrel/data/image.h>
#include <kestrel/detection/evaluation/coco_results.h>
#include <kestrel/engine/plots/confusion_plot.h>
#include <kestrel/engine/plots/precision_recall.h>

namespace kestrel {
namespace {

const HookRegistration<PrecisionRecallHook, NoOptions> kPrecisionRecall{
    "PrecisionRecallHook", "draws precision over recall"};
const HookRegistration<ConfusionMatrixHook, NoOptions> kConfusionMatrix{
    "ConfusionMatrixHook", "draws the confusion matrix"};
const HookRegistration<CocoResultsHook, NoOptions> kCocoResults{
    "CocoResultsHook", "writes the detections as COCO JSON"};

}  // namespace

PrecisionRecallHook::PrecisionRecallHook(const NoOptions&, const HookContext& context)
    : PlotHook(context.budget),
      file_(context.folder / "PR_curve.png"),
      evaluation_(context.evaluation) {}

void PrecisionRecallHook::draw(const Runner&) {
  write_image(file_, precision_recall_plot(evaluation_->result));
}

ConfusionMatrixHook::ConfusionMatrixHook(const NoOptions&, const HookContext& context)
    : PlotHook(context.budget),
      file_(context.folder / "confusion_matrix.png"),
      truths_(context.truths),
      evaluation_(context.evaluation) {}

void ConfusionMatrixHook::draw(const Runner&) {
  write_image(file_, confusion_plot(confusion_matrix(*truths_, evaluation_->detections)));
}

CocoResultsHook::CocoResultsHook(const NoOptions&, const HookContext& context)
    : PlotHook(context.budget),
      file_(context.folder / "coco_results.json"),
      evaluation_(context.evaluation) {}

void CocoResultsHook::draw(const Runner&) {
  const std::string text = coco_results_json(evaluation_->detections);
  write_file("coco", file_, std::as_bytes(std::span(text)));
}

}  // namespace kestrel
