#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include <kestrel/detection/evaluation/coco_eval.h>

namespace kestrel::coco {

constexpr int kR = CocoEvalResult::kRecalls;
constexpr int kA = CocoEvalResult::kAreas;
constexpr int kM = CocoEvalResult::kMaxDetections;

/// Recalls 0:.01:1, bit for bit as numpy.linspace makes them.
const std::array<double, kR>& recall_points();

/// What became of one detection, for each area range: bit t belongs to IoU threshold t.
struct MatchedDetection {
  double score = 0;
  int rank = 0;                        ///< By score in its image, from 0.
  std::array<uint32_t, kA> matched{};  ///< Holds an annotation.
  std::array<uint32_t, kA> ignored{};  ///< Counts neither as right nor as wrong.
};

/// An annotation or detection as the matcher sees it; area is set.
struct MatchItem {
  int64_t id = 0;  ///< Of an annotation.
  double score = 0;
  double area = 0;
  bool crowd = false;
  bool ignore = false;
  const std::array<double, 4>* bbox = nullptr;
  const RleMask* mask = nullptr;
  std::array<double, 4> mask_bounds{};  ///< mask_box(*mask), for masks.
};

/// Matches the detections of one image and class to its annotations. Writes the best of them, as
/// many as it holds, to `out` in order of score, and returns how many annotations can be found per
/// area range.
std::array<int64_t, kA> match_image(std::span<const MatchItem> truths,
                                    std::span<MatchItem> detections, CocoMetric metric,
                                    const CocoEvalLimits& limits, std::span<MatchedDetection> out);

}  // namespace kestrel::coco
