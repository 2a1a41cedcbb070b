#pragma once

#include <cstdint>

#include <kestrel/kernels/common/host_device.h>

namespace kestrel {

/// A dimension of a dense tensor, with all before it joined and all behind it.
struct Axis {
  int64_t outer, length, inner;

  KESTREL_HOST_DEVICE int64_t numel() const { return outer * length * inner; }
  /// Rows along the dimension.
  KESTREL_HOST_DEVICE int64_t rows() const { return outer * inner; }
  /// Where row `row` begins; its elements are `inner` apart.
  KESTREL_HOST_DEVICE int64_t begin(int64_t row) const {
    return row / inner * length * inner + row % inner;
  }
};

}  // namespace kestrel
