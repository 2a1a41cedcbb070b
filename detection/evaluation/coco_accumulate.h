#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include <kestrel/detection/evaluation/coco_match.h>

namespace kestrel::coco {

/// All of one class: detections image by image in ascending order of image id, best first within
/// one, and the number of annotations that can be found per area range.
struct ClassMatches {
  std::span<const MatchedDetection> detections;
  std::array<int64_t, kA> counted{};
  bool seen = false;  ///< Has a detection or an annotation, ignored ones included.
};

/// Sizes result.precision and result.recall for result.categories and limits, full of -1.
void reset_tables(CocoEvalResult& result);

/// Writes class k of result.precision and result.recall. Safe to call for different k at once.
void accumulate_class(const ClassMatches& matches, int64_t k, CocoEvalResult& result);

/// Computes result.stats, class_ap and class_ap50 from the tables.
void summarize(CocoEvalResult& result);

/// Mean of the entries above -1 with numpy's pairwise order of summation; -1 when there are none.
double mean_of_present(std::span<const double> values);

}  // namespace kestrel::coco
