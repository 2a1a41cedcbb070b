#pragma once

#include <kestrel/autograd/variable.h>

namespace kestrel::autograd {

struct RoiAlignOptions {
  int64_t output_height = 7;
  int64_t output_width = 7;
  double spatial_scale = 1;    ///< 1 / stride of the feature map.
  int64_t sampling_ratio = 0;  ///< Samples per side of a bin; 0: its pixels, rounded up.
  /// Coordinates shift by -0.5; false is the legacy form, with sides of at least one pixel.
  bool aligned = true;
};

/// Features of regions: x (N, H, W, C) and rois (K, 5) float32, rows of image index, x1, y1, x2, y2
/// in pixels of the image, give (K, output_height, output_width, C). As torchvision's roi_align;
/// the RoIs get no gradient.
Variable roi_align(const Variable& x, const Tensor& rois, const RoiAlignOptions& options = {});

}  // namespace kestrel::autograd
