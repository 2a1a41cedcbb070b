#include <kestrel/engine/hooks/evaluation_hooks.h>

#include <algorithm>
#include <span>

#include <kestrel/data/datasets/coco_truths.h>
#include <kestrel/data/file.h>
#include <kestrel/data/image.h>
#include <kestrel/detection/evaluation/coco_evaluator.h>
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
  write_image(file_, precision_recall_plot(evaluation_->report));
}

ConfusionMatrixHook::ConfusionMatrixHook(const NoOptions&, const HookContext& context)
    : PlotHook(context.budget),
      file_(context.folder / "confusion_matrix.png"),
      truths_(context.truths),
      evaluation_(context.evaluation) {}

void ConfusionMatrixHook::draw(const Runner&) {
  const auto found = coco_detections(*truths_, evaluation_->detections);
  write_image(file_, confusion_plot(confusion_matrix(*truths_, found)));
}

CocoResultsHook::CocoResultsHook(const NoOptions&, const HookContext& context)
    : PlotHook(context.budget),
      folder_(context.folder),
      dataset_(context.val),
      truths_(context.truths),
      evaluation_(context.evaluation) {}

void CocoResultsHook::draw(const Runner&) {
  const auto found = coco_detections(*truths_, evaluation_->detections);
  const auto write = [&](const char* name, CocoMetric metric) {
    const std::string text = coco_results_json(found, metric, coco_ids(*dataset_));
    write_file("coco", folder_ / name, std::as_bytes(std::span(text)));
  };
  write("coco_results.json", CocoMetric::kBbox);
  const bool masks = std::ranges::any_of(
      evaluation_->detections, [](const ImageDetections& d) { return !d.found.masks.empty(); });
  if (masks) write("coco_results_segm.json", CocoMetric::kSegm);
}

}  // namespace kestrel
