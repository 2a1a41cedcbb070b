#pragma once

#include <kestrel/kernels/view.h>

/// What layout.h demands of its operands, checked for every device.
namespace kestrel {

/// Matrices, one behind the other, that a change of layout transposes.
struct Matrices {
  int64_t count, rows, columns;
};

inline void check_layout(const char* op, const char* wants, ConstView from, ConstView to) {
  KESTREL_CHECK(from.shape.dims() == 4, "[", op, "] wants ", wants, ", got ", from.shape);
  KESTREL_CHECK(from.dtype == to.dtype && from.numel() == to.numel(), "[", op, "] ", from.dtype,
                from.shape, " does not fit ", to.dtype, to.shape);
}

inline Matrices check_nchw_to_nhwc(ConstView from, ConstView to) {
  check_layout("nchw_to_nhwc", "(N, C, H, W)", from, to);
  return {from.size(0), from.size(1), from.size(2) * from.size(3)};
}

inline Matrices check_nhwc_to_nchw(ConstView from, ConstView to) {
  check_layout("nhwc_to_nchw", "(N, H, W, C)", from, to);
  return {from.size(0), from.size(1) * from.size(2), from.size(3)};
}

}  // namespace kestrel
