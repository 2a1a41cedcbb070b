#pragma once

#include <kestrel/kernels/common/box_geometry.h>
#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Boxes to deltas relative to their anchors and back: MMDetection's DeltaXYWHBBoxCoder. Operands
/// are (n, 4) of one dtype, float32 or float64.
namespace kestrel {

using DeltaParams = geometry::DeltaParams;

/// The area that decoded corners are moved into, where DeltaParams::clip says so.
struct ClipSize {
  double width = 0, height = 0;
};

namespace cpu {

void box_encode(ConstView anchors, ConstView boxes, const DeltaParams& params, View deltas);
/// Where params.clip, x is clipped to [0, size.width] and y to [0, size.height].
void box_decode(ConstView anchors, ConstView deltas, const DeltaParams& params, ClipSize size,
                View boxes);
/// grad_deltas = d boxes / d deltas applied to grad_boxes; zero where a clamp or clip holds.
void box_decode_backward(ConstView anchors, ConstView deltas, ConstView grad_boxes,
                         const DeltaParams& params, ClipSize size, View grad_deltas);

}  // namespace cpu
namespace gpu {

void box_encode(ConstView anchors, ConstView boxes, const DeltaParams& params, View deltas,
                Stream stream);
void box_decode(ConstView anchors, ConstView deltas, const DeltaParams& params, ClipSize size,
                View boxes, Stream stream);
void box_decode_backward(ConstView anchors, ConstView deltas, ConstView grad_boxes,
                         const DeltaParams& params, ClipSize size, View grad_deltas, Stream stream);

}  // namespace gpu
}  // namespace kestrel
