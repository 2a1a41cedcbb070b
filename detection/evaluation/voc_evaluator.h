#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include <kestrel/detection/evaluation/evaluator.h>
#include <kestrel/registry/options.h>

namespace kestrel {

/// How the area below precision over recall is taken.
enum class VocMode : uint8_t {
  Area,          ///< All of it, as from VOC 2010 on.
  ElevenPoints,  ///< The mean of the best precisions from recall 0, .1, ..., 1 on, as in VOC 2007.
};

constexpr auto enum_names(VocMode) {
  return std::array{std::pair{VocMode::Area, "area"}, std::pair{VocMode::ElevenPoints, "11points"}};
}

struct VocEvaluatorOptions {
  OneOrMore<std::string> metric = {{"mAP"}};
  OneOrMore<double> iou_thr = {{0.5}};
  VocMode mode = VocMode::Area;
  bool legacy_coordinates = true;
  std::vector<std::array<double, 2>> scale_ranges = {};

  template <class V>
  void visit(V& v) {
    v("metric", metric, "mAP, nothing else");
    v("iou_thr", iou_thr, "a detection has to overlap an object by as much");
    v("mode", mode, "the area below the curve, or the mean of 11 points as in VOC2007");
    v("legacy_coordinates", legacy_coordinates, "pixels have a width: sides are x2 - x1 + 1");
    v("scale_ranges", scale_ranges,
      "also by size: pairs of sides in pixels; an object counts where its area is from the first "
      "squared to below the second squared");
  }
};

/// Pascal VOC's mean average precision as MMDetection's eval_map computes it: each detection, best
/// score first, goes to the object that it overlaps most; to one that is taken it is wrong, to a
/// difficult one it does not count. Numbers: map, the mean over iou_thr, then ap50 for 0.5 and so
/// on, each the mean over the classes that are annotated, or 0 where none is; for each of
/// scale_ranges ap50/32-96 and so on, of the objects of that size alone: what is found of others
/// does not count.
class VocEvaluator : public Evaluator {
 public:
  VocEvaluator(const VocEvaluatorOptions& options, const EvalTruths& truths);

  EvalReport evaluate(const std::vector<ImageDetections>& detections) const override;

 private:
  VocEvaluatorOptions options_;
  const EvalTruths& truths_;
};

}  // namespace kestrel
