#pragma once

#include <algorithm>
#include <cmath>

#include <kestrel/kernels/common/roi.h>
#include <kestrel/kernels/roi_align.h>

/// The geometry of roi_align.h, and what it demands of its operands, for every device. Whether a
/// sample lies inside must not depend on fused products and sums: who includes this is compiled
/// without.
///
/// The weight of pixel (p, q) in bin (i, j) is a product of one for the rows and one for the
/// columns, so a RoI needs no more than its weights along both sides.
namespace kestrel {

/// One side of a RoI in pixels of the feature map: equal bins of so many samples.
struct RoiSide {
  double start, bin, samples;
};

KESTREL_HOST_DEVICE inline RoiSide roi_side(float low, float high, int64_t bins,
                                            const RoiAlignParams& params) {
  const double offset = params.aligned ? 0.5 : 0.0;
  const double start = static_cast<double>(low) * params.spatial_scale - offset;
  double length = static_cast<double>(high) * params.spatial_scale - offset - start;
  if (!std::isfinite(length)) return {0, 0, 0};
  if (!params.aligned) length = std::max(length, 1.0);
  const double bin = length / static_cast<double>(bins);
  const double samples = params.sampling_ratio > 0 ? static_cast<double>(params.sampling_ratio)
                                                   : std::max(0.0, std::ceil(bin));
  return {start, bin, samples};
}

/// The pixels [first, end) that a bin takes from along one side; the weight of pixel p is
/// weights[offset + p] of its RoI.
struct RoiWindow {
  int32_t first, end, offset;

  KESTREL_HOST_DEVICE bool holds(int64_t p) const { return first <= p && p < end; }
};

/// The samples of a bin that can lie inside the map: `count` from number `first` on.
struct RoiSamples {
  double first;
  int64_t count;
};

KESTREL_HOST_DEVICE inline RoiSamples samples_inside(const RoiSide& side, double begin,
                                                     int64_t size, bool adaptive) {
  if (!adaptive) return {0, static_cast<int64_t>(side.samples)};
  // A RoI may be far larger than the map: start one sample before the first inside.
  const double step = side.bin / side.samples;
  const double skipped = std::floor((-1 - begin) / step - 0.5) - 1;
  const double first = std::min(std::max(0.0, skipped), side.samples);
  const double inside = std::ceil((static_cast<double>(size) + 1) / step) + 4;
  return {first, static_cast<int64_t>(std::min(side.samples - first, inside))};
}

/// Writes the weights of one bin of a side of `size` pixels, whose sum is 1 where every sample lies
/// inside. Bins that follow each other share two pixels at most, hence a side's weights have room
/// for size + 2 * bins. Static, as the simulator must see what a .cu file's own copy writes.
template <class A>
KESTREL_HOST_DEVICE static RoiWindow fill_roi_window(const RoiSide& side, int64_t index,
                                                     int64_t bins, int64_t size, bool adaptive,
                                                     int64_t side_offset, A* weights) {
  if (!(side.samples > 0) || size == 0) return {0, 0, 0};
  const bool reversed = side.bin < 0;  // The samples are visited in ascending order all the same.
  const int64_t offset = side_offset + 2 * (reversed ? bins - 1 - index : index);
  weights += offset;
  const double begin = side.start + static_cast<double>(index) * side.bin;
  const double limit = static_cast<double>(size);
  const RoiSamples samples = samples_inside(side, begin, size, adaptive);
  int64_t first = 0, end = 0;
  for (int64_t s = 0; s < samples.count; ++s) {
    const double number = samples.first + static_cast<double>(reversed ? samples.count - 1 - s : s);
    const double place = begin + (number + 0.5) * side.bin / side.samples;
    if (!(place >= -1 && place <= limit)) continue;
    const double inside = std::min(std::max(place, 0.0), limit - 1);
    const auto low = static_cast<int64_t>(inside);
    const int64_t high = std::min(low + 1, size - 1);
    const double fraction = inside - static_cast<double>(low);
    if (end == 0) first = end = low;
    while (end <= high) weights[end++] = 0;
    weights[low] += static_cast<A>((1 - fraction) / side.samples);
    weights[high] += static_cast<A>(fraction / side.samples);
  }
  return {static_cast<int32_t>(first), static_cast<int32_t>(end), static_cast<int32_t>(offset)};
}

/// Where the windows and weights of all RoIs lie: of each RoI first those of the rows, then those
/// of the columns.
template <class A>
struct RoiTable {
  int64_t height, width, out_height, out_width;
  RoiWindow* windows;
  A* weights;

  KESTREL_HOST_DEVICE int64_t windows_per_roi() const { return out_height + out_width; }
  KESTREL_HOST_DEVICE int64_t weights_per_roi() const {
    return height + width + 2 * windows_per_roi();
  }
  KESTREL_HOST_DEVICE const RoiWindow* rows(int64_t roi) const {
    return windows + roi * windows_per_roi();
  }
  KESTREL_HOST_DEVICE const RoiWindow* columns(int64_t roi) const { return rows(roi) + out_height; }
  KESTREL_HOST_DEVICE const A* weights_of(int64_t roi) const {
    return weights + roi * weights_per_roi();
  }
};

/// Writes window `index` of a RoI and its weights.
template <class A>
KESTREL_HOST_DEVICE static void fill_roi_table(const RoiTable<A>& table, const float* rois,
                                               const RoiAlignParams& params, int64_t roi,
                                               int64_t index) {
  const float* box = rois + roi * kRoiColumns + 1;
  const bool adaptive = params.sampling_ratio == 0;
  A* weights = table.weights + roi * table.weights_per_roi();
  RoiWindow window{};
  if (index < table.out_height) {
    const RoiSide side = roi_side(box[1], box[3], table.out_height, params);
    window = fill_roi_window(side, index, table.out_height, table.height, adaptive, 0, weights);
  } else {
    const RoiSide side = roi_side(box[0], box[2], table.out_width, params);
    window = fill_roi_window(side, index - table.out_height, table.out_width, table.width, adaptive,
                             table.height + 2 * table.out_height, weights);
  }
  table.windows[roi * table.windows_per_roi() + index] = window;
}

template <class A>
RoiTable<A> roi_table(const Shape& x, const Shape& y, RoiWindow* windows, A* weights) {
  return {x[1], x[2], y[1], y[2], windows, weights};
}

/// The pixels [first, end) that a run of windows takes from.
struct RoiSpan {
  int32_t first, end;
};

KESTREL_HOST_DEVICE inline RoiSpan span_of(const RoiWindow* windows, int64_t count) {
  RoiSpan span{std::numeric_limits<int32_t>::max(), 0};
  for (int64_t i = 0; i < count; ++i) {
    if (windows[i].first == windows[i].end) continue;
    span = {std::min(span.first, windows[i].first), std::max(span.end, windows[i].end)};
  }
  return span;
}

inline void check_roi_align(const char* op, ConstView x, ConstView rois, ConstView y,
                            const RoiAlignParams& params) {
  check_rois(op, x, rois, y);
  KESTREL_CHECK(std::isfinite(params.spatial_scale) && params.spatial_scale > 0, "[", op,
                "] spatial_scale must be above 0, got ", params.spatial_scale);
  KESTREL_CHECK(params.sampling_ratio >= 0, "[", op,
                "] sampling_ratio must be 0 (adaptive) or above, got ", params.sampling_ratio);
}

}  // namespace kestrel
