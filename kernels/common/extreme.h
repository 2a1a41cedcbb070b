#pragma once

#include <cstdint>

#include <kestrel/kernels/common/host_device.h>

namespace kestrel {

/// A value of a row and its place.
template <class A>
struct Extreme {
  A value;
  int64_t index;
};

/// Whether a value that comes later takes the place of `best`: it is larger (or smaller), or the
/// first NaN.
template <class A>
KESTREL_HOST_DEVICE bool exceeds(A value, A best, bool largest) {
  if (best != best) return false;
  return value != value || (largest ? value > best : value < best);
}

/// Of two, the one that a walk through the row would end with.
template <class A>
KESTREL_HOST_DEVICE Extreme<A> first_extreme(const Extreme<A>& a, const Extreme<A>& b,
                                             bool largest) {
  const bool a_first = a.index < b.index;
  const Extreme<A>& first = a_first ? a : b;
  const Extreme<A>& second = a_first ? b : a;
  return exceeds(second.value, first.value, largest) ? second : first;
}

}  // namespace kestrel
