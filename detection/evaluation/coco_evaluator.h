#pragma once

#include <array>
#include <string>
#include <vector>

#include <kestrel/detection/evaluation/coco_eval.h>
#include <kestrel/detection/evaluation/evaluator.h>
#include <kestrel/registry/options.h>

namespace kestrel {

/// MMDetection's keys.
struct CocoEvaluatorOptions {
  OneOrMore<std::string> metric = {{"bbox"}};
  bool classwise = false;
  std::array<int64_t, 3> proposal_nums = {100, 300, 1000};

  template <class V>
  void visit(V& v) {
    v("metric", metric, "bbox; segm for masks; proposal for boxes without classes");
    v("classwise", classwise, "a number for each class too, by its name: ap/person");
    v("proposal_nums", proposal_nums, "boxes per image that proposals are evaluated with");
  }
};

/// COCO's numbers: ap, ap50, ap75, ap_s, ap_m, ap_l and ar100 of boxes; of masks the same with
/// "segm_" before them; of proposals ar100, ar300, ar1000, ar_s, ar_m and ar_l with "proposal_".
class CocoEvaluator : public Evaluator {
 public:
  CocoEvaluator(const CocoEvaluatorOptions& options, const EvalTruths& truths);

  EvalReport evaluate(const std::vector<ImageDetections>& detections) const override;

 private:
  void add_detection_numbers(const CocoEvalResult& result, EvalReport& report) const;
  void add_proposal_numbers(const CocoEvalResult& result, EvalReport& report) const;

  CocoEvaluatorOptions options_;
  const EvalTruths& truths_;
};

/// The same detections as COCO's results have them; a label becomes the id of the category at its
/// place in truths.categories.
std::vector<CocoEvalDetection> coco_detections(const EvalTruths& truths,
                                               const std::vector<ImageDetections>& detections);

}  // namespace kestrel
