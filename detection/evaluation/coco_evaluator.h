#pragma once

#include <array>
#include <string>
#include <vector>

#include <kestrel/detection/evaluation/coco_eval.h>
#include <kestrel/detection/evaluation/evaluator.h>
#include <kestrel/registry/options.h>

namespace kestrel {

/// MMDetection's keys, and max_dets and areas.
struct CocoEvaluatorOptions {
  OneOrMore<std::string> metric = {{"bbox"}};
  bool classwise = false;
  std::array<int64_t, 3> proposal_nums = {100, 300, 1000};
  std::array<int64_t, 3> max_dets = {1, 10, 100};
  std::vector<double> iou_thrs = {};
  std::array<double, 2> areas = {32. * 32, 96. * 96};
  OneOrMore<std::string> metric_items = {};

  template <class V>
  void visit(V& v) {
    v("metric", metric,
      "bbox; segm for masks; proposal for boxes without classes; proposal_fast for their recall "
      "as MMDetection counts it");
    v("classwise", classwise, "a number for each class too, by its name: ap/person");
    v("proposal_nums", proposal_nums, "boxes per image that proposals are evaluated with");
    v("max_dets", max_dets, "detections per image that boxes and masks are evaluated with");
    v("iou_thrs", iou_thrs, "overlaps that numbers are a mean over; none: 0.5, 0.55, ..., 0.95");
    v("areas", areas, "square pixels up to which an object is small, and from which it is large");
    v("metric_items", metric_items,
      "these numbers alone, by MMDetection's names: mAP, mAP_50, AR@100, AR_s@1000, ...");
  }
};

/// COCO's numbers: ap, ap50, ap75, ap_s, ap_m, ap_l and ar100 of boxes; of masks the same with
/// "segm_" before them; of proposals ar100, ar300, ar1000, ar_s, ar_m and ar_l with "proposal_",
/// and ar100, ar300 and ar1000 with "proposal_fast_". With other max_dets or proposal_nums the
/// names have those.
class CocoEvaluator : public Evaluator {
 public:
  CocoEvaluator(const CocoEvaluatorOptions& options, const EvalTruths& truths);

  EvalReport evaluate(const std::vector<ImageDetections>& detections) const override;

 private:
  CocoEvalLimits limits_of(const std::string& metric) const;
  void add_detection_numbers(const CocoEvalResult& result, EvalReport& report) const;
  void add_proposal_numbers(const CocoEvalResult& result, EvalReport& report) const;
  void add_fast_numbers(const std::vector<ImageDetections>& detections, EvalReport& report) const;

  CocoEvaluatorOptions options_;
  const EvalTruths& truths_;
};

/// The same detections as COCO's results have them; a label becomes the id of the category at its
/// place in truths.categories.
std::vector<CocoEvalDetection> coco_detections(const EvalTruths& truths,
                                               const std::vector<ImageDetections>& detections);

}  // namespace kestrel
