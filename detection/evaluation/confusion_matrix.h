#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <kestrel/detection/evaluation/coco_eval.h>

namespace kestrel {

struct ConfusionOptions {
  double min_score = 0.25;  ///< Detections must have more.
  double min_iou = 0.45;    ///< Pairs must overlap by more.
};

/// Which class was taken for which. The last row and column, of index classes.size(), are
/// background: an object that was not found is background in its row, a detection of nothing is an
/// object in the column of background.
struct ConfusionMatrix {
  std::vector<std::string> classes;  ///< By ascending category id.
  std::vector<int64_t> counts;       ///< (C + 1, C + 1): predicted, true.

  int64_t size() const { return static_cast<int64_t>(classes.size()) + 1; }
  int64_t at(int64_t predicted, int64_t truth) const {
    return counts[static_cast<size_t>(predicted * size() + truth)];
  }
  /// Objects of a true class, found or not; for background the detections of nothing.
  int64_t column_sum(int64_t truth) const;
};

/// Pairs detections with objects as Ultralytics does: over all classes at once; by descending score
/// each detection takes the object that it overlaps most of those that are left. What is left on
/// either side goes to background. Crowds and ignored objects are not asked for, and detections
/// that lie in one (intersection over the detection's area above min_iou) are left out.
ConfusionMatrix confusion_matrix(const EvalTruths& truths,
                                 const std::vector<CocoEvalDetection>& detections,
                                 const ConfusionOptions& options = {});

}  // namespace kestrel
