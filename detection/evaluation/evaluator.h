#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <kestrel/detection/evaluation/eval_truths.h>
#include <kestrel/detection/structures.h>
#include <kestrel/registry/registry.h>

namespace kestrel {

/// What was detected in one image of a data set, in pixels of the original image.
struct ImageDetections {
  int64_t image_id = 0;
  Detections found;
};

/// Precision over recall of one class.
struct PrecisionCurve {
  std::string name;
  double ap = 0;                          ///< The area below it, as the evaluator computes it.
  std::vector<double> recall, precision;  ///< Of the same size.
};

/// What an evaluation found.
struct EvalReport {
  /// Numbers by name in the order in which they are shown; the first one is what a run is judged by
  /// where it is not told otherwise. Where nothing was annotated a number is -1.
  std::vector<std::pair<std::string, double>> numbers;
  std::string text;                    ///< Tables for people, each line ended by a line feed.
  std::vector<PrecisionCurve> curves;  ///< At IoU 0.5, of the classes that are annotated.
  PrecisionCurve mean_curve;           ///< Their mean, where there are any.
};

/// Knows a metric: compares detections with what was annotated. Constructed from its options and
/// the annotations, which have to outlive it:
///
///   const EvaluatorRegistration<CocoEvaluator, CocoEvaluatorOptions> kCoco{"CocoEvaluator",
///   "..."};
class Evaluator {
 public:
  static constexpr const char* kKind = "evaluator";

  virtual ~Evaluator() = default;
  /// An image that is not there has no detections. Throws DataError for one that is not among the
  /// annotated images, and for a label without a category.
  virtual EvalReport evaluate(const std::vector<ImageDetections>& detections) const = 0;
};

template <class Class, class Options>
using EvaluatorRegistration = Registration<Evaluator, Class, Options, const EvalTruths&>;

}  // namespace kestrel
