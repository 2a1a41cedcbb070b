#pragma once

#include <kestrel/kernels/unary.h>

/// What unary.h demands of its operands, checked for every device.
namespace kestrel {

inline void check_unary(const char* op, ConstView a, ConstView b) {
  KESTREL_CHECK(a.numel() == b.numel() && a.dtype == b.dtype, "[", op, "] ", a.dtype, a.shape,
                " does not fit ", b.dtype, b.shape);
}

}  // namespace kestrel
