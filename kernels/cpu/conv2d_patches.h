#pragma once

#include <algorithm>
#include <vector>

#include <kestrel/kernels/cpu/gemm_kernels.h>

namespace kestrel::cpu {

/// A convolution seen as a matrix product: row r of the left operand is the patch of the source
/// that grid point r = (image, y, x) reads, tap after tap. Forward, the grid is the output; for the
/// gradient of the data it is one phase of the input.
template <class T>
struct Patches {
  struct Tap {
    int64_t y, x;   ///< Source pixel of grid point (0, 0).
    int64_t index;  ///< Which (ky, kx) of the weight: ky * kw + kx.
  };

  const T* data = nullptr;  ///< The first channel that is read of the first pixel.
  int64_t batch = 0, height = 0, width = 0;
  int64_t pixel_stride = 0;  ///< Channels of the source.
  int64_t channels = 0;      ///< Those of them that are read.
  int64_t grid_h = 0, grid_w = 0;
  int64_t step_h = 1, step_w = 1;  ///< Source pixels per grid point.
  std::vector<Tap> taps;

  int64_t rows() const { return batch * grid_h * grid_w; }
  int64_t depth() const { return static_cast<int64_t>(taps.size()) * channels; }

  /// Whether row r is the pixel r of the source, as for a 1x1 convolution.
  bool rows_are_pixels() const {
    return taps.size() == 1 && taps[0].y == 0 && taps[0].x == 0 && step_h == 1 && step_w == 1 &&
           grid_h == height && grid_w == width;
  }

  /// Rows [first, first + count) as the left operand of GemmKernels::multiply.
  void left(const GemmKernels& kernels, int64_t first, int64_t count, float* a,
            float* row_buffer) const;

  /// Columns [0, depth) of rows [first, first + count), zeros up to padded_depth(depth), with that
  /// stride.
  void plain(const GemmKernels& kernels, int64_t first, int64_t count, float* to) const;

  /// sources[i] = where tap t of row first + i begins, or null outside the source.
  void sources(const Tap& tap, int64_t first, int64_t count, const T** to) const;
};

extern template struct Patches<float>;
extern template struct Patches<bfloat16>;

/// Calls the float32 or the bfloat16 form of a kernel.
inline void gather(const GemmKernels& k, const float* const* sources, int64_t offset, int64_t rows,
                   int64_t blocks, float* to, int64_t row_stride, int64_t block_stride) {
  k.gather(sources, offset, rows, blocks, to, row_stride, block_stride);
}
inline void gather(const GemmKernels& k, const bfloat16* const* sources, int64_t offset,
                   int64_t rows, int64_t blocks, float* to, int64_t row_stride,
                   int64_t block_stride) {
  k.gather_bf16(sources, offset, rows, blocks, to, row_stride, block_stride);
}
inline void copy_rows(const GemmKernels& k, const float* from, int64_t from_stride, int64_t rows,
                      int64_t columns, int64_t n, float* to, int64_t to_stride) {
  k.copy_rows(from, from_stride, rows, columns, n, to, to_stride);
}
inline void copy_rows(const GemmKernels& k, const bfloat16* from, int64_t from_stride, int64_t rows,
                      int64_t columns, int64_t n, float* to, int64_t to_stride) {
  k.copy_rows_bf16(from, from_stride, rows, columns, n, to, to_stride);
}
inline void pack_transposed(const GemmKernels& k, const float* from, int64_t ld, int64_t columns,
                            int64_t depth, float* b) {
  k.pack_transposed(from, ld, columns, depth, b);
}
inline void pack_transposed(const GemmKernels& k, const bfloat16* from, int64_t ld, int64_t columns,
                            int64_t depth, float* b) {
  k.pack_transposed_bf16(from, ld, columns, depth, b);
}
inline void store(const GemmKernels& k, const TileStore<float>& tile) {
  k.store(tile);
}
inline void store(const GemmKernels& k, const TileStore<bfloat16>& tile) {
  k.store_bf16(tile);
}

}  // namespace kestrel::cpu
