#pragma once

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// RoIAlign (He et al., "Mask R-CNN", 2017) as torchvision and mmcv compute it, with averages.
namespace kestrel {

struct RoiAlignParams {
  double spatial_scale = 1;    ///< Pixels of the feature map per pixel of the image.
  int64_t sampling_ratio = 0;  ///< Samples per side of a bin; 0: its pixels, rounded up.
  /// Shifts coordinates by -0.5, to where the centres of pixels are. False is the legacy form: no
  /// shift, and sides of at least one pixel of the feature map.
  bool aligned = true;
};

/// x (N, H, W, C) and y (K, Ho, Wo, C) of one dtype: float32, float64 or bfloat16; rois (K, 5)
/// float32, rows of image index, x1, y1, x2, y2 in pixels of the image. A RoI is cut into Ho x Wo
/// bins, and y is the mean of the bilinear samples spread evenly over a bin. A sample beyond
/// [-1, H] or [-1, W] counts as zero; those between there and the outermost centres take the edge's
/// values. A RoI with a coordinate that is not finite gives zeros. An image index that is not one
/// of 0..N-1: the CPU throws; a GPU, which would have to wait to know, gives NaN and no gradient.
/// Samples are placed in float64 for every dtype, so that CPU and GPU agree to the bit for float32.
/// No gradient for the RoIs. Backward gathers, RoIs in ascending order: no result depends on the
/// number of threads.
namespace cpu {

void roi_align_forward(ConstView x, ConstView rois, View y, const RoiAlignParams& params);
void roi_align_backward(ConstView grad_y, ConstView rois, View grad_x,
                        const RoiAlignParams& params);

}  // namespace cpu
namespace gpu {

void roi_align_forward(ConstView x, ConstView rois, View y, const RoiAlignParams& params,
                       Stream stream);
void roi_align_backward(ConstView grad_y, ConstView rois, View grad_x, const RoiAlignParams& params,
                        Stream stream);

}  // namespace gpu
}  // namespace kestrel
