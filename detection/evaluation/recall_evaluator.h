#pragma once

#include <string>
#include <vector>

#include <kestrel/detection/evaluation/evaluator.h>
#include <kestrel/registry/options.h>

namespace kestrel {

struct RecallEvaluatorOptions {
  OneOrMore<std::string> metric = {{"recall"}};
  std::vector<int64_t> proposal_nums = {100, 300, 1000};
  OneOrMore<double> iou_thr = {{0.5}};
  bool legacy_coordinates = false;

  template <class V>
  void visit(V& v) {
    v("metric", metric, "recall, nothing else");
    v("proposal_nums", proposal_nums, "boxes per image, ascending; the best by score are taken");
    v("iou_thr", iou_thr, "an object is found by a box that overlaps it by as much");
    v("legacy_coordinates", legacy_coordinates, "pixels have a width: sides are x2 - x1 + 1");
  }
};

/// The share of objects that boxes find, whatever their class, as MMDetection's eval_recalls counts
/// it: again and again the object and the box that overlap most belong together. Numbers:
/// recall@100@0.5 for each of proposal_nums and iou_thr; of several thresholds also their mean,
/// ar100. -1 where there is no object.
class RecallEvaluator : public Evaluator {
 public:
  RecallEvaluator(const RecallEvaluatorOptions& options, const EvalTruths& truths);

  EvalReport evaluate(const std::vector<ImageDetections>& detections) const override;

 private:
  RecallEvaluatorOptions options_;
  const EvalTruths& truths_;
};

/// The same, [proposal_nums, thresholds], each row followed by its mean. Crowds and ignored objects
/// need not be found.
std::vector<std::vector<double>> box_recalls(const EvalTruths& truths,
                                             const std::vector<ImageDetections>& detections,
                                             const std::vector<int64_t>& proposal_nums,
                                             const std::vector<double>& thresholds,
                                             bool legacy_coordinates = false);

/// Throws UsageError, `who` said it, unless there are numbers, ascending, from 1 on.
void check_proposal_nums(const char* who, const std::vector<int64_t>& proposal_nums);

}  // namespace kestrel
