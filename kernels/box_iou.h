#pragma once

#include <cstdint>

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Overlaps of all pairs of boxes: MMDetection's bbox_overlaps.
namespace kestrel {

enum class BoxOverlap : uint8_t {
  IoU,   ///< Intersection over union.
  IoF,   ///< Intersection over the area of the first box (the foreground).
  GIoU,  ///< IoU - (hull - union) / hull, -1 to 1 (Rezatofighi et al. 2019).
};

struct BoxIouParams {
  BoxOverlap kind = BoxOverlap::IoU;
  double eps = 1e-6;  ///< Least denominator, as in MMDetection; 0 gives 0 / 0 = NaN where it is 0.
};

/// out[i][j] = overlap of a[i] with b[j]; a (A, 4), b (B, 4) and out (A, B) of one dtype, float32
/// or float64. Boxes are x1, y1, x2, y2. Where a coordinate or an area is not finite the result is
/// NaN. No derivative: losses have their own. Deterministic, and the same bits on every device.
namespace cpu {

void box_iou(ConstView a, ConstView b, const BoxIouParams& params, View out);

}  // namespace cpu
namespace gpu {

void box_iou(ConstView a, ConstView b, const BoxIouParams& params, View out, Stream stream);

}  // namespace gpu
}  // namespace kestrel
