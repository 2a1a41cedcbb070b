#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include <kestrel/kernels/view.h>

/// Regions of interest as rows of image index, x1, y1, x2, y2, for every device.
namespace kestrel {

inline constexpr int64_t kRoiColumns = 5;

/// The image of a RoI, or -1 where its index is none of 0..images-1.
KESTREL_HOST_DEVICE inline int32_t roi_image(const float* roi, int64_t images) {
  const bool valid = roi[0] >= 0 && roi[0] < static_cast<float>(images);
  const int32_t image = valid ? static_cast<int32_t>(roi[0]) : -1;
  return valid && static_cast<float>(image) == roi[0] ? image : -1;
}

inline void check_rois(const char* op, ConstView x, ConstView rois, ConstView y) {
  KESTREL_CHECK(
      x.shape.dims() == 4 && y.shape.dims() == 4 && x.size(3) == y.size(3) && x.dtype == y.dtype,
      "[", op, "] ", x.dtype, x.shape, " does not fit ", y.dtype, y.shape);
  KESTREL_CHECK(rois.dtype == DType::Float32 && rois.shape == Shape({y.size(0), kRoiColumns}), "[",
                op, "] rois must be float32(", y.size(0), ", 5), got ", rois.dtype, rois.shape);
  KESTREL_CHECK(std::max(x.size(1), y.size(1)) * std::max(x.size(2), y.size(2)) <=
                    std::numeric_limits<int32_t>::max(),
                "[", op, "] a map of ", x.shape, " or ", y.shape, " has too many pixels");
}

/// For devices whose memory the host can read.
inline void check_roi_images(const char* op, ConstView rois, int64_t images) {
  for (int64_t k = 0; k < rois.size(0); ++k) {
    const float* roi = rois.as<float>() + k * kRoiColumns;
    KESTREL_CHECK(roi_image(roi, images) >= 0, "[", op, "] RoI ", k, " is of image ", roi[0],
                  ", but there are ", images);
  }
}

}  // namespace kestrel
