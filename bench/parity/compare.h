#pragma once

#include <vector>

#include <kestrel/detection/structures.h>

namespace kestrel::parity {

/// The largest difference over the largest expected magnitude; infinite where something is NaN or
/// shapes differ.
double relative_error(const Tensor& got, const Tensor& expected);

/// How a gradient lies beside another one.
struct Alignment {
  double cosine = 1;  ///< 1 where both are zero, 0 where one of them is or shapes differ.
  double length = 0;  ///< | |got| / |expected| - 1 |.
};
Alignment align(const Tensor& got, const Tensor& expected);

/// What counts as the same detection.
struct DetectionLimits {
  double box = 0;  ///< Pixels.
  double score = 0;
};

/// Differences between two lists of detections of an image.
struct DetectionErrors {
  int64_t expected = 0;
  double box = 0;  ///< Largest difference of a coordinate, in pixels.
  double score = 0;
  int64_t missing =
      0;  ///< Expected, and nothing of the class is left to stand for it; or too many.
  /// Of the expected: those whose score is equal, within the limit, to the last one of a full list,
  /// so that others may have taken their places.
  int64_t at_the_cut = 0;
};

/// Pairs every expected detection with the one that was found nearest to it, of the same class;
/// so near-equal scores may change places. `boxes` is (n, 5): x1, y1, x2, y2, score.
DetectionErrors compare_detections(const Detections& found, const Tensor& boxes,
                                   const Tensor& labels, const DetectionLimits& limits);

}  // namespace kestrel::parity
