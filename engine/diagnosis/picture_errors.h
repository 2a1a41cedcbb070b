#pragma once

#include <cstdint>
#include <vector>

#include <kestrel/data/datasets/dataset.h>
#include <kestrel/detection/evaluation/evaluator.h>

namespace kestrel {

/// What went wrong in one picture.
struct PictureErrors {
  int64_t index = 0;           ///< In the data set.
  std::vector<size_t> missed;  ///< Annotations that nothing was found for.
  std::vector<size_t> wrong;   ///< Detections of nothing, of another class, or of what is taken.
  std::vector<size_t> right;   ///< Detections of an object each.
  double cost = 0;             ///< The number of missed objects, and the scores of what is wrong.
};

struct PictureErrorOptions {
  double min_score = 0.3;  ///< Detections must have more.
  double min_iou = 0.5;    ///< Of an object and its detection.
};

/// The pictures with errors, the costliest first. By descending score each detection takes the
/// object of its class that it overlaps most, of those that are left; one that lies in a crowd or
/// on a difficult object is no error. The label of a detection is that of the data set.
std::vector<PictureErrors> picture_errors(const Dataset& dataset,
                                          const std::vector<ImageDetections>& detections,
                                          const PictureErrorOptions& options = {});

}  // namespace kestrel
