#pragma once

#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <vector>

#include <kestrel/kernels/common/box.h>
#include <kestrel/kernels/error.h>

namespace kestrel {

// What MMDetection's evaluation computes, in its float32. Whoever includes this is built with
// -ffp-contract=off, so that the numbers are the same to the last bit.

/// Sides are x2 - x1 + pixel: 1 in VOC's way, else 0.
inline float eval_area(const Box& box, float pixel) {
  return (box.x2 - box.x1 + pixel) * (box.y2 - box.y1 + pixel);
}

inline float eval_iou(const Box& a, const Box& b, float pixel) {
  const float w = std::max(std::min(a.x2, b.x2) - std::max(a.x1, b.x1) + pixel, 0.0F);
  const float h = std::max(std::min(a.y2, b.y2) - std::max(a.y1, b.y1) + pixel, 0.0F);
  const float both = w * h;
  return both / std::max(eval_area(a, pixel) + eval_area(b, pixel) - both, 1e-6F);
}

/// numpy's sum of contiguous numbers: eight running sums up to 128 values, halves above.
template <class T>
T pairwise_sum(std::span<const T> x) {
  const size_t n = x.size();
  if (n < 8) return std::accumulate(x.begin(), x.end(), T{0});
  if (n > 128) {
    const size_t half = n / 2 - n / 2 % 8;
    return pairwise_sum(x.first(half)) + pairwise_sum(x.subspan(half));
  }
  std::array<T, 8> r;
  std::copy_n(x.begin(), 8, r.begin());
  size_t i = 8;
  for (; i < n - n % 8; i += 8)
    for (size_t j = 0; j < 8; ++j) r[j] += x[i + j];
  T sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (; i < n; ++i) sum += x[i];
  return sum;
}

/// Throws UsageError, `who` said it, unless there are thresholds and each is in (0, 1].
inline void check_thresholds(const char* who, const std::vector<double>& thresholds) {
  if (thresholds.empty()) fail<UsageError>("[", who, "] iou_thr has no threshold");
  for (const double threshold : thresholds) {
    if (!(threshold > 0 && threshold <= 1)) {
      fail<UsageError>("[", who, "] iou_thr must be in (0, 1], got ", threshold);
    }
  }
}

}  // namespace kestrel
