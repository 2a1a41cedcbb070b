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

inline void check_anchor_ignore(const ConstView& anchors, const ConstView& ignored,
                                const ConstView& truths, const ConstView& valid) {
  const int64_t n = valid.numel();
  KESTREL_CHECK(anchors.shape == Shape({n, 4}), "[anchor_ignore] anchors must be (", n,
                ", 4), got ", anchors.shape);
  for (const ConstView& boxes : {ignored, truths}) {
    KESTREL_CHECK(boxes.shape.dims() == 2 && boxes.size(1) == 4,
                  "[anchor_ignore] ignored boxes and ground truths must be (k, 4), got ",
                  boxes.shape);
  }
}

}  // namespace kestrel
