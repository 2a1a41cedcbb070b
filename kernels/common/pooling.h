#pragma once

#include <algorithm>

#include <kestrel/kernels/pooling.h>

/// The windows of pooling.h, and what it demands of its operands, for every device.
namespace kestrel {

struct PoolRange {
  int64_t begin, end;
};

/// Input positions of window o along one side, clipped to the input.
KESTREL_HOST_DEVICE inline PoolRange pool_window(int64_t o, int64_t size, const Pool2dParams& p) {
  const int64_t begin = o * p.stride - p.pad;
  return {std::max<int64_t>(0, begin), std::min(size, begin + p.kernel)};
}

/// Windows that cover input position i along one side.
KESTREL_HOST_DEVICE inline PoolRange pool_covering(int64_t i, int64_t windows,
                                                   const Pool2dParams& p) {
  const int64_t last = i + p.pad;
  const int64_t first = last - p.kernel + 1;
  return {first <= 0 ? 0 : (first + p.stride - 1) / p.stride,
          std::min(windows, last / p.stride + 1)};
}

/// Values that count in window o along one side.
KESTREL_HOST_DEVICE inline int64_t pool_count(int64_t o, int64_t size, const Pool2dParams& p) {
  if (!p.count_include_pad) {
    const PoolRange range = pool_window(o, size, p);
    return range.end - range.begin;
  }
  const int64_t begin = o * p.stride - p.pad;
  return std::min(begin + p.kernel, size + p.pad) - begin;
}

/// 1 / the number of values that count in window (oy, ox).
template <class A>
KESTREL_HOST_DEVICE A pool_share(int64_t oy, int64_t ox, int64_t height, int64_t width,
                                 const Pool2dParams& p) {
  return A{1} / static_cast<A>(pool_count(oy, height, p) * pool_count(ox, width, p));
}

/// The place of input (iy, ix) in window (oy, ox).
KESTREL_HOST_DEVICE inline int32_t pool_place(int64_t iy, int64_t ix, int64_t oy, int64_t ox,
                                              const Pool2dParams& p) {
  return static_cast<int32_t>((iy - oy * p.stride + p.pad) * p.kernel + ix - ox * p.stride + p.pad);
}

/// Whether a value takes the place of the largest before it. NaN does, and stays.
template <class A>
KESTREL_HOST_DEVICE bool pool_wins(A value, A best) {
  return !(value <= best) && !(best != best && value == value);
}

/// Calls f with the C++ type that the places of a window are stored in.
template <class F>
void visit_places(const Pool2dParams& params, F f) {
  params.kernel > 15 ? f(int32_t{}) : f(uint8_t{});
}

inline void check_pooling(const char* op, ConstView x, ConstView y) {
  KESTREL_CHECK(x.shape.dims() == 4 && y.shape.dims() == 4 && x.size(0) == y.size(0) &&
                    x.size(3) == y.size(3) && x.dtype == y.dtype,
                "[", op, "] ", x.dtype, x.shape, " does not fit ", y.dtype, y.shape);
}

}  // namespace kestrel
