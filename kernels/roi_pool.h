#pragma once

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// RoIPool (Girshick, "Fast R-CNN", 2015): the largest value of each bin of a region.
///
/// x (N, H, W, C) and y (K, Ho, Wo, C) of one dtype: float32, float64 or bfloat16; rois (K, 5)
/// float32, rows of image index, x1, y1, x2, y2 in pixels of the image, which spatial_scale turns
/// into pixels of x. Corners are rounded to the nearest pixel (halves away from zero) and belong to
/// the RoI, which has at least one pixel each way: length = max(1, last - first + 1). Bin i of n
/// holds pixels floor(i * length / n) to ceil((i + 1) * length / n), exclusive, as far as they are
/// on the map; neighbours may share one. A bin without pixels gives 0, as does a RoI with a
/// coordinate that is not finite; one beyond 1e9 pixels counts as 1e9. NaN is larger than any
/// number. `which`, shaped like y and int32, receives the pixel y * W + x that a value came from,
/// the first of equals, or -1; it may be absent in forward.
///
/// An image index that is not one of 0..N-1: the CPU throws; a GPU, which would have to wait to
/// know, gives NaN and no gradient. No gradient for the RoIs. Backward adds RoIs in ascending
/// order: no result depends on the number of threads.
namespace kestrel {
namespace cpu {

void roi_pool_forward(ConstView x, ConstView rois, double spatial_scale, View y, View which);
void roi_pool_backward(ConstView grad_y, ConstView which, ConstView rois, double spatial_scale,
                       View grad_x);

}  // namespace cpu
namespace gpu {

void roi_pool_forward(ConstView x, ConstView rois, double spatial_scale, View y, View which,
                      Stream stream);
void roi_pool_backward(ConstView grad_y, ConstView which, ConstView rois, double spatial_scale,
                       View grad_x, Stream stream);

}  // namespace gpu
}  // namespace kestrel
