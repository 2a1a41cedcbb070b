#pragma once

#include <kestrel/kernels/dtype.h>

namespace kestrel::cpu {

/// Columns of a left operand that lie together: see GemmKernels::multiply.
inline constexpr int64_t kDepthBlock = 16;

/// Row stride of the left operand of GemmKernels::multiply_overlapping: 3 channels, stride 2.
inline constexpr int64_t kOverlapStep = 6;

/// Rounded up to a whole number of depth blocks.
constexpr int64_t padded_depth(int64_t depth) {
  return (depth + kDepthBlock - 1) / kDepthBlock * kDepthBlock;
}

/// Where a finished tile of sums goes: row i, column j to output[offsets[i] + j].
template <class T>
struct TileStore {
  const float* sums;  ///< (rows, stride)
  int64_t stride;
  int64_t rows, columns;  ///< columns may end within a vector.
  const float* bias;      ///< of the first column, readable up to a whole vector; or null.
  const T* residual;      ///< indexed like output; or null.
  T* output;
  const int64_t* offsets;
  float lower;          ///< values below become this: 0 for ReLU, -inf for none.
  bool stream = false;  ///< Past the caches, where output is aligned to whole vectors.
};

/// GemmKernels::multiply adds so many products, and then these sums: the rounding of one long sum
/// grows with its length. Callers that split the depth do so at multiples of it.
inline constexpr int64_t kSumDepth = 128;

/// Memory that is asked for while a panel is multiplied, so that it is in L2 afterwards. Asking
/// beyond the end of an array does no harm.
struct Ahead {
  const float* data = nullptr;
  int64_t floats = 0;
};

/// Some rows of a left operand times a packed panel: what GemmKernels::multiply computes.
struct PanelProduct {
  int64_t rows, columns;
  int64_t depth;   ///< A multiple of kDepthBlock.
  const float* a;  ///< Element (i, k) is a[i * a_row + k / 16 * a_block + k % 16].
  int64_t a_row, a_block;
  const float* b;  ///< One packed panel, (depth, panel).
  float* sums;     ///< (rows, sum_stride), written up to a whole number of vectors.
  int64_t sum_stride;
  bool accumulate = false;                  ///< Adds to the sums.
  const TileStore<float>* store = nullptr;  ///< Where the sums go, which are undefined then.
  Ahead ahead = {};                         ///< Beside the panel that follows b in memory.
};

/// The inner loops of matrix products, compiled for several instruction sets. All sums are float32
/// and are formed in the order of the depth, whatever the blocking.
struct GemmKernels {
  int64_t panel;  ///< Columns of a packed right operand: panels are stored one after the other.
  int64_t rows;   ///< Rows that the registers hold; a good block is a multiple of it.

  void (*multiply)(const PanelProduct& product);

  /// c (m, columns) = a * b, where the rows of a overlap in memory, as the patches of the first
  /// convolution of a network do: element (i, s * length + k) is
  /// a[s * segment_stride + i * kOverlapStep + k], with s < segments and k < length.
  void (*multiply_overlapping)(int64_t m, int64_t columns, int64_t segments, int64_t length,
                               const float* a, int64_t segment_stride, const float* b, float* c,
                               int64_t ldc);

  /// c (m, columns) = or += a^T * b, with a (depth, lda) and b one packed panel (depth, panel).
  void (*multiply_transposed)(int64_t m, int64_t columns, int64_t depth, const float* a,
                              int64_t lda, const float* b, float* c, int64_t ldc, bool accumulate);

  /// b = one packed panel (padded_depth(depth), panel) of `columns` columns, from the rows of
  /// `from`, (columns, depth) with row stride ld: a transposition. Pads with zeros.
  void (*pack_transposed)(const float* from, int64_t ld, int64_t columns, int64_t depth, float* b);
  void (*pack_transposed_bf16)(const bfloat16* from, int64_t ld, int64_t columns, int64_t depth,
                               float* b);

  /// to[i * to_stride .. + n) = from[i * from_stride .. + columns) for `rows` rows, zeros up to n.
  void (*copy_rows)(const float* from, int64_t from_stride, int64_t rows, int64_t columns,
                    int64_t n, float* to, int64_t to_stride);
  void (*copy_rows_bf16)(const bfloat16* from, int64_t from_stride, int64_t rows, int64_t columns,
                         int64_t n, float* to, int64_t to_stride);

  /// For each i < rows: `blocks` depth blocks from sources[i] + offset (zeros where null), block b
  /// to to[i * row_stride + b * block_stride].
  void (*gather)(const float* const* sources, int64_t offset, int64_t rows, int64_t blocks,
                 float* to, int64_t row_stride, int64_t block_stride);
  void (*gather_bf16)(const bfloat16* const* sources, int64_t offset, int64_t rows, int64_t blocks,
                      float* to, int64_t row_stride, int64_t block_stride);

  void (*store)(const TileStore<float>& tile);
  void (*store_bf16)(const TileStore<bfloat16>& tile);
};

/// The kernels of the best instruction set of this machine.
const GemmKernels& gemm_kernels();

}  // namespace kestrel::cpu
