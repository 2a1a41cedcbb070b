#pragma once

#include <algorithm>
#include <cmath>

#include <kestrel/kernels/common/roi.h>
#include <kestrel/kernels/roi_pool.h>

/// The bins of roi_pool.h, and what it demands of its operands, for every device. In whole numbers,
/// where torchvision's floating-point quotients can make a bin one pixel longer.
namespace kestrel {

/// One side of a RoI in pixels of the feature map; length 0 where it is not finite.
struct RoiPoolSide {
  int64_t start, length;
};

KESTREL_HOST_DEVICE inline RoiPoolSide roi_pool_side(float low, float high, double spatial_scale) {
  constexpr double kFar = 1e9;  // Beyond any map; fits int32, and products with it int64.
  const double first = std::round(static_cast<double>(low) * spatial_scale);
  const double last = std::round(static_cast<double>(high) * spatial_scale);
  if (!std::isfinite(first) || !std::isfinite(last)) return {0, 0};
  const auto start = static_cast<int64_t>(std::min(std::max(first, -kFar), kFar));
  const auto end = static_cast<int64_t>(std::min(std::max(last, -kFar), kFar)) + 1;
  return {start, std::max<int64_t>(1, end - start)};
}

/// Both sides of a RoI, given as its row.
struct RoiPoolBox {
  RoiPoolSide y, x;
};

KESTREL_HOST_DEVICE inline RoiPoolBox roi_pool_box(const float* roi, double spatial_scale) {
  const RoiPoolSide y = roi_pool_side(roi[2], roi[4], spatial_scale);
  const RoiPoolSide x = roi_pool_side(roi[1], roi[3], spatial_scale);
  return y.length > 0 && x.length > 0 ? RoiPoolBox{y, x} : RoiPoolBox{{0, 0}, {0, 0}};
}

/// Pixels, or bins, [begin, end); none where end <= begin.
struct RoiPoolRange {
  int64_t begin, end;
};

/// The pixels of a bin, clipped to the map.
KESTREL_HOST_DEVICE inline RoiPoolRange roi_pool_bin(const RoiPoolSide& side, int64_t bin,
                                                     int64_t bins, int64_t size) {
  const int64_t begin = side.start + bin * side.length / bins;
  const int64_t end = side.start + ((bin + 1) * side.length + bins - 1) / bins;
  return {std::max<int64_t>(0, begin), std::min(size, end)};
}

/// The bins that hold any of the pixels first..last.
KESTREL_HOST_DEVICE inline RoiPoolRange roi_pool_covering(const RoiPoolSide& side, int64_t first,
                                                          int64_t last, int64_t bins) {
  const int64_t low = std::max<int64_t>(0, first - side.start);
  const int64_t high = std::min(side.length - 1, last - side.start);
  if (low > high) return {0, 0};
  return {low * bins / side.length,
          std::min(bins, ((high + 1) * bins + side.length - 1) / side.length)};
}

inline void check_roi_pool(const char* op, ConstView x, ConstView rois, double spatial_scale,
                           ConstView y, ConstView which) {
  check_rois(op, x, rois, y);
  KESTREL_CHECK(std::isfinite(spatial_scale) && spatial_scale > 0, "[", op,
                "] spatial_scale must be above 0, got ", spatial_scale);
  KESTREL_CHECK(!which || (which.dtype == DType::Int32 && which.shape == y.shape), "[", op,
                "] places must be int32", y.shape, ", got ", which.dtype, which.shape);
}

}  // namespace kestrel
