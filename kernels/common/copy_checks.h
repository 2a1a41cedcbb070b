#pragma once

#include <kestrel/kernels/view.h>

/// What copy.h demands of its operands, checked for every device.
namespace kestrel {

inline void check_convert(ConstView from, ConstView to) {
  KESTREL_CHECK(from.numel() == to.numel(), "[convert] ", from.shape, " does not fit ", to.shape);
}

}  // namespace kestrel
