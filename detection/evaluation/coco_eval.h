#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <kestrel/detection/evaluation/eval_truths.h>

namespace kestrel {

/// What COCO evaluation compares: boxes or masks.
enum class CocoMetric { kBbox, kSegm };

/// "bbox" or "segm".
std::string_view to_string(CocoMetric metric);

/// The metric of that name; throws UsageError for any other.
CocoMetric coco_metric_from_string(std::string_view name);

/// A detected object.
struct CocoEvalDetection {
  int64_t image_id = 0;
  int64_t category_id = 0;
  double score = 0;
  std::array<double, 4> bbox{};  ///< x, y, w, h.
  std::optional<double> area;    ///< Of the box (bbox) or the mask (segm) where it is not given.
  RleMask mask;
};

/// .50:.05:.95, bit for bit as numpy.linspace makes them.
const std::vector<double>& coco_iou_thresholds();

/// What decides COCO's numbers, with the values that everybody reports; proposals are evaluated
/// without classes, and up to 1000.
struct CocoEvalLimits {
  bool class_agnostic = false;  ///< All categories count as one.
  /// M, ascending; 1, 10 and 100 in stats and names stand for these.
  std::array<int64_t, 3> max_detections{1, 10, 100};
  std::vector<double> iou_thresholds = coco_iou_thresholds();  ///< T, from 1 to 32 of them.
  /// In square pixels: up to the first an object is small, from the second on it is large.
  std::array<double, 2> area_bounds{32. * 32, 96. * 96};
};

/// Throws UsageError for limits that are not as said.
void check_limits(const CocoEvalLimits& limits);

/// COCO's numbers. Thresholds T = .50:.05:.95, recalls R = 0:.01:1, classes K by ascending id,
/// areas A = all, small, medium, large, detections per image M = 1, 10, 100, where the limits say
/// nothing else. An entry is -1 where nothing was annotated.
struct CocoEvalResult {
  static constexpr int64_t kRecalls = 101, kAreas = 4, kMaxDetections = 3;

  CocoMetric metric = CocoMetric::kBbox;
  CocoEvalLimits limits;
  /// AP, AP50, AP75, AP small, medium, large; AR with 1, 10, 100 detections, small, medium, large.
  /// AP50 and AP75 are -1 where .5 or .75 is no threshold.
  std::array<double, 12> stats{};
  std::vector<EvalCategory> categories;  ///< By ascending id: the order of K.
  std::vector<double> precision;         ///< [T, R, K, A, M].
  std::vector<double> recall;            ///< [T, K, A, M].
  std::vector<double> class_ap;          ///< AP per class, at all areas and 100 detections.
  std::vector<double> class_ap50;        ///< The same at IoU .5.

  double ap() const { return stats[0]; }
  double ap50() const { return stats[1]; }
  double ap75() const { return stats[2]; }

  double precision_at(int64_t t, int64_t r, int64_t k, int64_t a, int64_t m) const;
  double recall_at(int64_t t, int64_t k, int64_t a, int64_t m) const;

  /// Precision at the 101 recalls of class index k at IoU threshold index t, all areas and 100
  /// detections; empty for a class without annotations.
  std::vector<double> precision_recall(int64_t k, int64_t t = 0) const;
};

/// Short names of the twelve numbers: AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm,
/// ARl.
const std::array<std::string_view, 12>& coco_stat_names();

/// Evaluates detections as the COCO authors' code does, to the last bit; `truths` and `detections`
/// may be in any order, and detections of one score keep theirs. Detections of a class that is not
/// listed are dropped, as are annotations of classes and images that are not listed (with a
/// warning). Throws DataError for a detection of an unlisted image, numbers that are not finite,
/// masks that are broken or not of their image's size, and annotation ids that occur twice;
/// UsageError for limits that are not as said.
CocoEvalResult evaluate_coco(const EvalTruths& truths,
                             const std::vector<CocoEvalDetection>& detections, CocoMetric metric,
                             const CocoEvalLimits& limits = {});

/// The twelve lines that users of COCO know, each ended by a line feed.
std::string coco_summary(const CocoEvalResult& result);

/// A table of AP and AP50 per class, by ascending id.
std::string coco_class_table(const CocoEvalResult& result);

}  // namespace kestrel
