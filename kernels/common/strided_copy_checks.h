#pragma once

#include <kestrel/kernels/strided_copy.h>

/// What strided_copy.h demands of its operands, checked for every device.
namespace kestrel {

/// The walk stays within a tensor of `count` elements.
inline bool walk_fits(const Walk& walk, int64_t start, const int64_t* strides, int64_t count) {
  int64_t lowest = start, highest = start;
  for (int d = 0; d < walk.dims; ++d) {
    const int64_t way = (walk.sizes[d] - 1) * strides[d];
    (way < 0 ? lowest : highest) += way;
  }
  return lowest >= 0 && highest < count;
}

inline void check_strided_copy(ConstView from, ConstView to, const Walk& walk) {
  KESTREL_CHECK(from.dtype == to.dtype, "[strided_copy] ", from.dtype, " into ", to.dtype);
  KESTREL_CHECK(
      walk.numel() == 0 || (walk_fits(walk, walk.from_start, walk.from_strides, from.numel()) &&
                            walk_fits(walk, walk.to_start, walk.to_strides, to.numel())),
      "[strided_copy] leaves ", from.shape, " or ", to.shape);
}

}  // namespace kestrel
