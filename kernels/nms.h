#pragma once

#include <cstdint>

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Greedy non-maximum suppression.
namespace kestrel {

struct NmsParams {
  double iou_threshold = 0.5;  ///< At least 0; a box goes if its IoU with a kept one is above it.
  int64_t max_kept = -1;       ///< Stops after this many; -1 keeps all.
};

namespace cpu {

/// Writes the indices of the boxes that are kept to `kept`, by descending score and among equal
/// scores by index, and returns their number. boxes (n, 4) float32; scores (n) float32, where NaN
/// counts as lowest; classes (n) int64 or absent: boxes of different classes leave each other
/// alone; kept (n) int64. Overlap is tested as inter > iou_threshold * union, with exact
/// coordinates (no offset per class). A box without area, with infinite area or with a NaN is kept
/// and suppresses nothing. Deterministic.
int64_t nms(ConstView boxes, ConstView scores, ConstView classes, const NmsParams& params,
            View kept);

}  // namespace cpu
namespace gpu {

int64_t nms(ConstView boxes, ConstView scores, ConstView classes, const NmsParams& params,
            View kept, Stream stream);

}  // namespace gpu
}  // namespace kestrel
