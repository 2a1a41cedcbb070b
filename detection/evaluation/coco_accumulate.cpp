// Built with -ffp-contract=off: the numbers are those of the COCO authors' code to the last bit.
#include <kestrel/detection/evaluation/coco_accumulate.h>

#include <algorithm>
#include <limits>

#include <kestrel/detection/evaluation/eval_arithmetic.h>

namespace kestrel::coco {
namespace {

int64_t precision_index(int64_t t, int64_t r, int64_t k, int64_t classes, int64_t a, int64_t m) {
  return (((t * kR + r) * classes + k) * kA + a) * kM + m;
}

int64_t recall_index(int64_t t, int64_t k, int64_t classes, int64_t a, int64_t m) {
  return ((t * classes + k) * kA + a) * kM + m;
}

/// Precision after each right detection, best score first. Wrong and ignored ones need no entry of
/// their own: recall does not move there and precision is no higher.
std::vector<double> precisions(std::span<const MatchedDetection> detections, int a, int64_t t,
                               int64_t max_detections) {
  std::vector<double> result;
  int64_t right = 0, wrong = 0;
  for (const MatchedDetection& d : detections) {
    if (d.rank >= max_detections || (d.ignored[a] >> t & 1)) continue;
    if (!(d.matched[a] >> t & 1)) {
      ++wrong;
      continue;
    }
    ++right;
    const auto tp = static_cast<double>(right), fp = static_cast<double>(wrong);
    result.push_back(tp / (fp + tp + std::numeric_limits<double>::epsilon()));
  }
  return result;
}

int64_t thresholds(const CocoEvalResult& result) {
  return std::ssize(result.limits.iou_thresholds);
}

struct Range {
  int64_t begin, end;
};

/// Mean over the given thresholds and classes, in [T, R, K] order.
double mean_precision(const CocoEvalResult& result, Range ts, Range ks, int64_t a, int64_t m) {
  std::vector<double> values;
  values.reserve((ts.end - ts.begin) * kR * (ks.end - ks.begin));
  for (int64_t t = ts.begin; t < ts.end; ++t)
    for (int64_t r = 0; r < kR; ++r)
      for (int64_t k = ks.begin; k < ks.end; ++k)
        values.push_back(result.precision_at(t, r, k, a, m));
  return mean_of_present(values);
}

double mean_recall(const CocoEvalResult& result, int64_t a, int64_t m) {
  std::vector<double> values;
  for (int64_t t = 0; t < thresholds(result); ++t)
    for (int64_t k = 0; k < std::ssize(result.categories); ++k)
      values.push_back(result.recall_at(t, k, a, m));
  return mean_of_present(values);
}

/// Of one threshold; of none where there is not that one.
Range threshold(const CocoEvalResult& result, double iou) {
  const auto& all = result.limits.iou_thresholds;
  const int64_t t = std::find(all.begin(), all.end(), iou) - all.begin();
  return {t, std::min(t + 1, std::ssize(all))};
}

}  // namespace

void reset_tables(CocoEvalResult& result) {
  const int64_t classes = std::ssize(result.categories);
  result.precision.assign(thresholds(result) * kR * classes * kA * kM, -1);
  result.recall.assign(thresholds(result) * classes * kA * kM, -1);
}

void accumulate_class(const ClassMatches& matches, int64_t k, CocoEvalResult& result) {
  if (!matches.seen) return;
  const int64_t classes = std::ssize(result.categories);
  std::vector<MatchedDetection> detections(matches.detections.begin(), matches.detections.end());
  std::stable_sort(detections.begin(), detections.end(),
                   [](const auto& i, const auto& j) { return i.score > j.score; });
  for (int a = 0; a < kA; ++a) {
    if (matches.counted[a] == 0) continue;
    const auto counted = static_cast<double>(matches.counted[a]);
    for (int m = 0; m < kM; ++m)
      for (int64_t t = 0; t < thresholds(result); ++t) {
        std::vector<double> curve = precisions(detections, a, t, result.limits.max_detections[m]);
        for (int64_t i = std::ssize(curve) - 1; i > 0; --i)
          curve[i - 1] = std::max(curve[i - 1], curve[i]);
        result.recall[recall_index(t, k, classes, a, m)] =
            static_cast<double>(curve.size()) / counted;
        size_t i = 0;
        for (int r = 0; r < kR; ++r) {
          while (i < curve.size() && static_cast<double>(i + 1) / counted < recall_points()[r]) ++i;
          result.precision[precision_index(t, r, k, classes, a, m)] =
              i < curve.size() ? curve[i] : 0;
        }
      }
  }
}

double mean_of_present(std::span<const double> values) {
  std::vector<double> present;
  present.reserve(values.size());
  std::copy_if(values.begin(), values.end(), std::back_inserter(present),
               [](double v) { return v > -1; });
  if (present.empty()) return -1;
  return pairwise_sum<double>(present) / static_cast<double>(present.size());
}

void summarize(CocoEvalResult& result) {
  const int64_t classes = std::ssize(result.categories);
  const Range all_t{0, thresholds(result)}, all_k{0, classes};
  const Range t50 = threshold(result, .5), t75 = threshold(result, .75);
  auto& s = result.stats;
  s[0] = mean_precision(result, all_t, all_k, 0, 2);
  s[1] = mean_precision(result, t50, all_k, 0, 2);
  s[2] = mean_precision(result, t75, all_k, 0, 2);
  for (int a = 1; a < kA; ++a) s[2 + a] = mean_precision(result, all_t, all_k, a, 2);
  for (int m = 0; m < kM; ++m) s[6 + m] = mean_recall(result, 0, m);
  for (int a = 1; a < kA; ++a) s[8 + a] = mean_recall(result, a, 2);
  result.class_ap.clear();
  result.class_ap50.clear();
  for (int64_t k = 0; k < classes; ++k) {
    result.class_ap.push_back(mean_precision(result, all_t, {k, k + 1}, 0, 2));
    result.class_ap50.push_back(mean_precision(result, t50, {k, k + 1}, 0, 2));
  }
}

}  // namespace kestrel::coco

namespace kestrel {

double CocoEvalResult::precision_at(int64_t t, int64_t r, int64_t k, int64_t a, int64_t m) const {
  return precision[coco::precision_index(t, r, k, std::ssize(categories), a, m)];
}

double CocoEvalResult::recall_at(int64_t t, int64_t k, int64_t a, int64_t m) const {
  return recall[coco::recall_index(t, k, std::ssize(categories), a, m)];
}

std::vector<double> CocoEvalResult::precision_recall(int64_t k, int64_t t) const {
  std::vector<double> points;
  for (int64_t r = 0; r < kRecalls; ++r) {
    const double value = precision_at(t, r, k, 0, kMaxDetections - 1);
    if (value < 0) return {};
    points.push_back(value);
  }
  return points;
}

}  // namespace kestrel
