// Built with -ffp-contract=off: the numbers are those of the COCO authors' code to the last bit.
#include <kestrel/detection/evaluation/coco_match.h>

#include <algorithm>

namespace kestrel::coco {
namespace {

template <class Values>
Values linspace(Values values, double start, double stop) {
  const double step = (stop - start) / static_cast<double>(values.size() - 1);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i) * step + start;
  values.back() = stop;
  return values;
}

struct AreaRange {
  double low, high;
  bool outside(double area) const { return area < low || area > high; }
};

std::array<AreaRange, kA> area_ranges(const std::array<double, 2>& bounds) {
  return {{{0, 1e10}, {0, bounds[0]}, {bounds[0], bounds[1]}, {bounds[1], 1e10}}};
}

double overlap(const MatchItem& detection, const MatchItem& truth, CocoMetric metric) {
  if (metric == CocoMetric::kBbox) return coco_box_iou(*detection.bbox, *truth.bbox, truth.crowd);
  if (coco_box_iou(detection.mask_bounds, truth.mask_bounds) <= 0) return 0;
  return mask_iou(*detection.mask, *truth.mask, truth.crowd);
}

/// Annotations of one image and class in the order of one area range: ignored ones last.
struct OrderedTruths {
  std::vector<int> order;
  std::vector<char> ignored;  ///< By position in `order`.
};

OrderedTruths order_truths(std::span<const MatchItem> truths, const AreaRange& range) {
  OrderedTruths ordered;
  ordered.order.reserve(truths.size());
  for (const bool ignored : {false, true})
    for (size_t g = 0; g < truths.size(); ++g)
      if ((truths[g].crowd || truths[g].ignore || range.outside(truths[g].area)) == ignored) {
        ordered.order.push_back(static_cast<int>(g));
        ordered.ignored.push_back(ignored);
      }
  return ordered;
}

/// Position in `ordered` of the annotation that a detection takes at a threshold, or -1.
int best_truth(const double* ious, std::span<const MatchItem> truths, const OrderedTruths& ordered,
               const std::vector<char>& taken, double threshold) {
  double best = std::min(threshold, 1 - 1e-10);
  int found = -1;
  for (int i = 0; i < static_cast<int>(ordered.order.size()); ++i) {
    const int g = ordered.order[i];
    if (taken[i] && !truths[g].crowd) continue;
    if (found >= 0 && !ordered.ignored[found] && ordered.ignored[i]) break;
    if (ious[g] < best) continue;
    best = ious[g];
    found = i;
  }
  return found;
}

}  // namespace

const std::array<double, kR>& recall_points() {
  static const auto values = linspace(std::array<double, kR>(), 0, 1);
  return values;
}

std::array<int64_t, kA> match_image(std::span<const MatchItem> truths,
                                    std::span<MatchItem> detections, CocoMetric metric,
                                    const CocoEvalLimits& limits, std::span<MatchedDetection> out) {
  std::stable_sort(detections.begin(), detections.end(),
                   [](const auto& a, const auto& b) { return a.score > b.score; });
  detections = detections.first(out.size());
  std::vector<double> ious(detections.size() * truths.size());
  for (size_t d = 0; d < detections.size(); ++d) {
    out[d] = {.score = detections[d].score, .rank = static_cast<int>(d)};
    for (size_t g = 0; g < truths.size(); ++g)
      ious[d * truths.size() + g] = overlap(detections[d], truths[g], metric);
  }
  std::array<int64_t, kA> counted{};
  const auto ranges = area_ranges(limits.area_bounds);
  for (int a = 0; a < kA; ++a) {
    const AreaRange& range = ranges[a];
    if (truths.empty()) {
      for (size_t d = 0; d < detections.size(); ++d)
        out[d].ignored[a] = range.outside(detections[d].area) ? ~uint32_t{0} : 0;
      continue;
    }
    const OrderedTruths ordered = order_truths(truths, range);
    counted[a] = std::count(ordered.ignored.begin(), ordered.ignored.end(), false);
    std::vector<char> taken(truths.size());
    for (size_t t = 0; t < limits.iou_thresholds.size(); ++t) {
      const uint32_t bit = uint32_t{1} << t;
      std::fill(taken.begin(), taken.end(), false);
      for (size_t d = 0; d < detections.size(); ++d) {
        const int found =
            best_truth(&ious[d * truths.size()], truths, ordered, taken, limits.iou_thresholds[t]);
        bool matched = false, ignored = false;
        if (found >= 0) {
          taken[found] = true;
          matched = truths[ordered.order[found]].id != 0;
          ignored = ordered.ignored[found];
        }
        if (!matched && range.outside(detections[d].area)) ignored = true;
        if (matched) out[d].matched[a] |= bit;
        if (ignored) out[d].ignored[a] |= bit;
      }
    }
  }
  return counted;
}

}  // namespace kestrel::coco

namespace kestrel {

const std::vector<double>& coco_iou_thresholds() {
  static const auto values = coco::linspace(std::vector<double>(10), .5, .95);
  return values;
}

}  // namespace kestrel
