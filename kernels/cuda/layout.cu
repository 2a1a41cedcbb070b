#include <kestrel/kernels/layout.h>

#include <algorithm>

#include <kestrel/kernels/common/layout_checks.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/device.h>

namespace kestrel::gpu {
namespace {

/// How matrices are cut into tiles, and a tile's rows lie in shared memory.
struct Tiling {
  int64_t rows, columns;  ///< Of a matrix.
  int64_t down, across;   ///< Tiles of a matrix.
  int tile_rows, tile_columns, stride;
};

/// One block per tile, which it reads along the rows and writes along the columns.
template <class Word>
__global__ void transpose_kernel(Tiling t, const Word* from, Word* to) {
  Word* tile = dynamic_shared<Word>();
  const int64_t line = blockIdx.x / t.across;
  const int64_t matrix = line / t.down * t.rows * t.columns;
  const int64_t row = line % t.down * t.tile_rows;
  const int64_t column = blockIdx.x % t.across * t.tile_columns;
  const int rows = static_cast<int>(min(int64_t{t.tile_rows}, t.rows - row));
  const int columns = static_cast<int>(min(int64_t{t.tile_columns}, t.columns - column));
  const int step = static_cast<int>(blockDim.x);
  for (int i = static_cast<int>(threadIdx.x); i < rows * columns; i += step) {
    const int r = i / columns, c = i % columns;
    tile[r * t.stride + c] = from[matrix + (row + r) * t.columns + column + c];
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < rows * columns; i += step) {
    const int c = i / rows, r = i % rows;
    to[matrix + (column + c) * t.rows + row + r] = tile[r * t.stride + c];
  }
}

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/// Tiles of about 128 bytes on either side; where a side of the matrix is shorter than that, the
/// tile is longer along the other.
Tiling tiling_of(const Matrices& matrices, int64_t word_bytes) {
  const int64_t side = std::max<int64_t>(32, 128 / word_bytes), area = side * side;
  const int64_t rows = std::min(matrices.rows, area / std::min(side, matrices.columns));
  const int64_t columns = std::min(matrices.columns, area / rows);
  // Lanes read a column of min(32, rows), then the next ones: each from a bank of its own.
  const int64_t unit = std::max<int64_t>(4, word_bytes);
  int64_t units = ceil_div(columns * word_bytes, unit);
  units = rows < 32 ? ceil_div(units, 32) * 32 + ceil_div(32, rows) : units | 1;
  return {.rows = matrices.rows,
          .columns = matrices.columns,
          .down = ceil_div(matrices.rows, rows),
          .across = ceil_div(matrices.columns, columns),
          .tile_rows = static_cast<int>(rows),
          .tile_columns = static_cast<int>(columns),
          .stride = static_cast<int>(units * unit / word_bytes)};
}

template <class Word>
void transpose_words(ConstView from, View to, const Matrices& matrices, Stream stream) {
  const Tiling t = tiling_of(matrices, sizeof(Word));
  const int64_t tiles = matrices.count * t.down * t.across;
  launch(transpose_kernel<Word>,
         {dim3(static_cast<unsigned>(tiles)), dim3(static_cast<unsigned>(block_size())),
          static_cast<size_t>(t.tile_rows * t.stride) * sizeof(Word), stream},
         t, static_cast<const Word*>(from.data), static_cast<Word*>(to.data));
}

void transpose(ConstView from, View to, const Matrices& matrices, Stream stream) {
  if (from.numel() == 0) return;
  if (matrices.rows == 1 || matrices.columns == 1) {
    copy_on_device(to.data, from.data, static_cast<size_t>(from.numel() * size_of(from.dtype)),
                   stream);
    return;
  }
  switch (size_of(from.dtype)) {
    case 1:
      return transpose_words<uint8_t>(from, to, matrices, stream);
    case 2:
      return transpose_words<uint16_t>(from, to, matrices, stream);
    case 4:
      return transpose_words<uint32_t>(from, to, matrices, stream);
    default:
      return transpose_words<uint64_t>(from, to, matrices, stream);
  }
}

}  // namespace

void nchw_to_nhwc(ConstView from, View to, Stream stream) {
  transpose(from, to, check_nchw_to_nhwc(from, to), stream);
}

void nhwc_to_nchw(ConstView from, View to, Stream stream) {
  transpose(from, to, check_nhwc_to_nchw(from, to), stream);
}

}  // namespace kestrel::gpu
