#pragma once

#include <kestrel/kernels/nms.h>

namespace kestrel {

inline void check_nms(const ConstView& boxes, const ConstView& scores, const ConstView& classes,
                      const NmsParams& params, const ConstView& kept) {
  const int64_t n = scores.numel();
  KESTREL_CHECK(boxes.shape == Shape({n, 4}), "[nms] boxes must be (", n, ", 4), got ",
                boxes.shape);
  KESTREL_CHECK(!classes || classes.numel() == n, "[nms] ", classes.numel(), " classes for ", n,
                " boxes");
  KESTREL_CHECK(kept.numel() == n, "[nms] output must hold ", n, " indices, got ", kept.shape);
  KESTREL_CHECK(params.iou_threshold >= 0, "[nms] iou_threshold must be at least 0, got ",
                params.iou_threshold);
  KESTREL_CHECK(n <= INT32_MAX, "[nms] at most ", INT32_MAX, " boxes, got ", n);
}

}  // namespace kestrel
