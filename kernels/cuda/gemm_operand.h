#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include <kestrel/kernels/cuda/pack.h>
#include <kestrel/kernels/error.h>

/// What a matrix product reads: matrices that need not lie in memory as such. A row is read in
/// stretches of neighbouring elements (the channels of a pixel). Each kind has
///
///   rows, columns      how a position along them is counted: split(i) gives it, advance() and
///                      increment() move it on
///   row(position), column(position), at(row, column)
///                      the address of an element, or null outside the matrix
///   aligned()          whether 16 bytes of a row, from a multiple of 16 bytes on, are either one
///                      load or all outside
///   group_stride       elements between the operands of two groups of a convolution
///
/// Rows, columns and sides are counted in 32 bits, which small_size() checks; offsets in 64.
namespace kestrel::gpu {

/// As an int that may be doubled.
inline int small_size(int64_t size) {
  KESTREL_CHECK(size < int64_t{1} << 30,
                "[gemm] a GPU multiplies matrices of fewer than 2^30 rows and columns, got ", size);
  return static_cast<int>(size);
}

struct Linear {
  using Position = int;

  int stride = 0;  ///< Of advance(); set by set_stride().

  void set_stride(int i) { stride = i; }
  __device__ Position split(int i) const { return i; }
  __device__ void advance(Position& p) const { p += stride; }
  __device__ void increment(Position& p) const { ++p; }
};

/// Counts (outer, middle, inner), the last fastest. Only split() divides.
struct Radix {
  struct Position {
    int outer, middle, inner;
  };

  int middle = 1, inner = 1;  ///< Sizes, at least 1.
  Position stride = {};       ///< Of advance(); set by set_stride().

  void set_stride(int i) { stride = split(i); }
  KESTREL_HOST_DEVICE Position split(int i) const {
    const int line = i / inner;
    return {line / middle, line % middle, i % inner};
  }
  __device__ void advance(Position& p) const {
    p.inner += stride.inner;
    const bool carry = p.inner >= inner;
    if (carry) p.inner -= inner;
    p.middle += stride.middle + (carry ? 1 : 0);
    const bool carry_on = p.middle >= middle;
    if (carry_on) p.middle -= middle;
    p.outer += stride.outer + (carry_on ? 1 : 0);
  }
  __device__ void increment(Position& p) const {
    if (++p.inner < inner) return;
    p.inner = 0;
    if (++p.middle < middle) return;
    p.middle = 0;
    ++p.outer;
  }
};

inline Radix make_radix(int64_t middle, int64_t inner) {
  return {.middle = middle > 0 ? small_size(middle) : 1,
          .inner = inner > 0 ? small_size(inner) : 1};
}

/// A matrix (row_count, column_count) in memory.
template <class T>
struct Matrix {
  using Element = T;
  using Row = int64_t;  // offset of its first element, or negative
  using Column = int;   // offset in the row, or negative

  const T* data;
  int row_count, column_count;
  int64_t row_stride, group_stride = 0;
  Linear rows = {}, columns = {};

  __device__ Row row(int i) const { return i < row_count ? i * row_stride : -1; }
  __device__ Column column(int i) const { return i < column_count ? i : -1; }
  __device__ const T* at(Row row, Column column) const {
    return row < 0 || column < 0 ? nullptr : data + row + column;
  }
  bool aligned() const {
    return is_packed(data, column_count) && row_stride % Pack<T>::kSize == 0 &&
           group_stride % Pack<T>::kSize == 0;
  }
};

/// One side of a window that moves over a map: grid point i and tap t meet at source pixel
/// i * step + origin + t * tap_step.
struct Window {
  int size;  ///< Pixels of the source.
  int step, origin;
  int taps, tap_step;
};

/// A convolution as a matrix, (images * grid points, taps * channels): row r is the patch of the
/// source that grid point r = (image, y, x) reads. Forward, the grid is the output; for the
/// gradient of the data it is one phase of the input.
template <class T>
struct Patches {
  using Element = T;
  struct Row {
    int64_t offset;  // of the pixel at tap (0, 0)
    int y, x;
  };
  struct Column {
    int64_t offset;  // from there
    int y, x;
  };

  const T* data;  ///< (batch, y.size, x.size, pixel_stride)
  int batch;
  int64_t pixel_stride, group_stride;
  Window y, x;
  Radix rows;     ///< (image, y, x)
  Radix columns;  ///< (tap y, tap x, channel)

  __device__ Row row(const Radix::Position& p) const {
    const int top = p.middle * y.step + y.origin, left = p.inner * x.step + x.origin;
    return {((int64_t{p.outer} * y.size + top) * x.size + left) * pixel_stride,
            p.outer < batch ? top : kOutside, left};
  }
  __device__ Column column(const Radix::Position& p) const {
    const int down = p.outer * y.tap_step, right = p.middle * x.tap_step;
    return {(int64_t{down} * x.size + right) * pixel_stride + p.inner,
            p.outer < y.taps ? down : kOutside, right};
  }
  __device__ const T* at(const Row& row, const Column& column) const {
    const bool inside = static_cast<unsigned>(row.y + column.y) < static_cast<unsigned>(y.size) &&
                        static_cast<unsigned>(row.x + column.x) < static_cast<unsigned>(x.size);
    return inside ? data + row.offset + column.offset : nullptr;
  }
  bool aligned() const {
    return is_packed(data, columns.inner) && pixel_stride % Pack<T>::kSize == 0 &&
           group_stride % Pack<T>::kSize == 0;
  }

 private:
  /// A y that no other y brings back into the map.
  static constexpr int kOutside = -(1 << 30);
};

/// A matrix (row_count, channels) as the input of a convolution with one tap.
template <class T>
Patches<T> patches_of_matrix(const T* data, int64_t row_count, int64_t channels) {
  return {.data = data,
          .batch = small_size(row_count),
          .pixel_stride = channels,
          .group_stride = 0,
          .y = {1, 1, 0, 1, 1},
          .x = {1, 1, 0, 1, 1},
          .rows = {},
          .columns = make_radix(1, channels)};
}

/// Taps of a weight (outputs, kernel_h, kernel_w, channels) as a matrix (taps * outputs, channels).
template <class T>
struct TapWeights {
  using Element = T;
  using Row = int64_t;
  using Column = int;

  const T* data;  ///< The first tap of the first output.
  int taps_y, channels;
  int64_t tap_y_stride, tap_x_stride, output_stride, group_stride;
  Radix rows;  ///< (tap y, tap x, output)
  Linear columns = {};

  __device__ Row row(const Radix::Position& p) const {
    return p.outer < taps_y
               ? p.outer * tap_y_stride + p.middle * tap_x_stride + p.inner * output_stride
               : -1;
  }
  __device__ Column column(int i) const { return i < channels ? i : -1; }
  __device__ const T* at(Row row, Column column) const {
    return row < 0 || column < 0 ? nullptr : data + row + column;
  }
  bool aligned() const { return is_packed(data, channels) && group_stride % Pack<T>::kSize == 0; }
};

/// A matrix (outputs, channels) as the weight of a convolution with one tap.
template <class T>
TapWeights<T> tap_weights_of_matrix(const T* data, int64_t outputs, int64_t channels) {
  return {.data = data,
          .taps_y = 1,
          .channels = small_size(channels),
          .tap_y_stride = 0,
          .tap_x_stride = 0,
          .output_stride = channels,
          .group_stride = 0,
          .rows = make_radix(1, outputs)};
}

/// Which way the neighbouring elements of a matrix run in a product: along the depth that is summed
/// over, or along its extent, the rows or columns of the result.
enum class Inner { Depth, Extent };

template <class Source, Inner kInner>
struct Operand : Source {
  static constexpr bool kDepthInner = kInner == Inner::Depth;
};

}  // namespace kestrel::gpu
