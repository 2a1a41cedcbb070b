#pragma once

#include <kestrel/kernels/anchor_assign.h>

namespace kestrel {

inline void check_anchor_assign(const ConstView& anchors, const ConstView& valid,
                                const ConstView& truths, const ConstView& assigned,
                                const ConstView& max_iou) {
  const int64_t n = assigned.numel();
  KESTREL_CHECK(anchors.shape == Shape({n, 4}), "[anchor_assign] anchors must be (", n,
                ", 4), got ", anchors.shape);
  KESTREL_CHECK(truths.shape.dims() == 2 && truths.size(1) == 4,
                "[anchor_assign] ground truths must be (g, 4), got ", truths.shape);
  KESTREL_CHECK(max_iou.numel() == n && (!valid || valid.numel() == n),
                "[anchor_assign] max_iou and valid must have one entry per anchor");
}

}  // namespace kestrel
