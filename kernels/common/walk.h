#pragma once

#include <cstdint>

#include <kestrel/kernels/common/host_device.h>
#include <kestrel/kernels/shape.h>

namespace kestrel {

/// Nested loops, outermost first, over elements of two tensors: how far each moves with every step
/// of a loop, in elements. Strides may be zero in the first tensor, and negative.
struct Walk {
  int dims = 0;
  int64_t from_start = 0, to_start = 0;
  int64_t sizes[Shape::kMaxDims] = {};
  int64_t from_strides[Shape::kMaxDims] = {}, to_strides[Shape::kMaxDims] = {};

  /// Adds an inner loop, joined with the one before where both tensors allow it.
  void add(int64_t size, int64_t from_stride, int64_t to_stride) {
    if (size == 1) return;
    const int last = dims - 1;
    if (dims > 0 && from_strides[last] == from_stride * size &&
        to_strides[last] == to_stride * size) {
      sizes[last] *= size;
      from_strides[last] = from_stride;
      to_strides[last] = to_stride;
      return;
    }
    sizes[dims] = size;
    from_strides[dims] = from_stride;
    to_strides[dims] = to_stride;
    ++dims;
  }
  int64_t numel() const {
    int64_t count = 1;
    for (int d = 0; d < dims; ++d) count *= sizes[d];
    return count;
  }
  /// Offsets of element i of the walk.
  KESTREL_HOST_DEVICE void locate(int64_t i, int64_t& from, int64_t& to) const {
    from = from_start;
    to = to_start;
    for (int d = dims - 1; d >= 0; --d) {
      const int64_t rest = i / sizes[d], place = i - rest * sizes[d];
      from += place * from_strides[d];
      to += place * to_strides[d];
      i = rest;
    }
  }
};

}  // namespace kestrel
