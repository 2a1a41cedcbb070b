#pragma once

#include <kestrel/kernels/view.h>

namespace kestrel {

inline void check_box_coder(const char* op, const ConstView& a, const ConstView& b,
                            const ConstView& out) {
  KESTREL_CHECK(a.shape == Shape({a.size(0), 4}) && b.shape == a.shape && out.shape == a.shape, "[",
                op, "] operands must be (n, 4), got ", a.shape, ", ", b.shape, " and ", out.shape);
}

inline void check_box_decode_backward(const ConstView& anchors, const ConstView& deltas,
                                      const ConstView& grad_boxes, const ConstView& grad_deltas) {
  KESTREL_CHECK(grad_boxes.shape == anchors.shape, "[box_decode_backward] gradient is ",
                grad_boxes.shape, ", anchors are ", anchors.shape);
  check_box_coder("box_decode_backward", anchors, deltas, grad_deltas);
}

}  // namespace kestrel
