#pragma once

#include <kestrel/kernels/common/axis.h>
#include <kestrel/kernels/cuda/segments.h>

/// Rows along an axis, each dealt to a group of lanes: neighbouring lanes read neighbouring
/// elements, of one row where the axis is the last, else of neighbouring rows.
namespace kestrel::gpu {

/// Lanes that share a row.
inline int lanes_of(const Axis& axis) {
  return axis.inner == 1 ? lanes_per_row(axis.length) : 1;
}

/// Starts a kernel whose first parameters are the number of rows and the lanes of each.
template <class... Parameters, class... Args>
void launch_rows(void (*kernel)(int64_t, int, Parameters...), int64_t rows, int lanes,
                 Stream stream, Args&&... args) {
  launch_segments(kernel, rows, kWarp / lanes, stream, lanes, std::forward<Args>(args)...);
}

/// The row of this thread; beyond the last one `exists` is false, and the thread only takes part in
/// what its warp does together.
struct AxisRow {
  __device__ AxisRow(int64_t rows, int lanes) {
    const int64_t thread = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
    index = thread / lanes;
    lane = static_cast<int>(thread % lanes);
    exists = index < rows;
  }

  int64_t index;
  int lane;
  bool exists;
};

}  // namespace kestrel::gpu
