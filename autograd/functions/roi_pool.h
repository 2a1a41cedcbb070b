#pragma once

#include <kestrel/autograd/variable.h>

namespace kestrel::autograd {

struct RoiPoolOptions {
  int64_t output_height = 7;
  int64_t output_width = 7;
  double spatial_scale = 1;  ///< 1 / stride of the feature map.
};

/// Largest values of regions' bins: x (N, H, W, C) and rois (K, 5) float32, rows of image index,
/// x1, y1, x2, y2 in pixels of the image, give (K, output_height, output_width, C). As
/// torchvision's roi_pool, except that NaN wins; the RoIs get no gradient.
Variable roi_pool(const Variable& x, const Tensor& rois, const RoiPoolOptions& options = {});

}  // namespace kestrel::autograd
