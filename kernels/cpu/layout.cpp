#include <kestrel/kernels/layout.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include <kestrel/kernels/common/layout_checks.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t kTransposeTile = 64;  // rows and columns: both sides of it fit L1
constexpr int64_t kSquare = 8;          // rows and columns that are transposed in registers

/// Eight elements of four bytes: a register of AVX2, which is the floor of the build.
using Words = uint32_t __attribute__((vector_size(4 * kSquare)));

template <int kStep>
void exchange(Words* rows) {
  // Exchanges the off-diagonal blocks of kStep x kStep words.
  for (int i = 0; i < kSquare; ++i) {
    if (i & kStep) continue;
    const Words a = rows[i], b = rows[i + kStep];
    if constexpr (kStep == 4) {
      rows[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11);
      rows[i + kStep] = __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
    } else if constexpr (kStep == 2) {
      rows[i] = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
      rows[i + kStep] = __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
    } else {
      rows[i] = __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14);
      rows[i + kStep] = __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
    }
  }
}

/// Eight rows of eight words.
void transpose_square(const void* from, int64_t from_stride, void* to, int64_t to_stride) {
  Words rows[kSquare];
  for (int64_t i = 0; i < kSquare; ++i) {
    std::memcpy(&rows[i], static_cast<const uint32_t*>(from) + i * from_stride, sizeof(Words));
  }
  exchange<4>(rows);
  exchange<2>(rows);
  exchange<1>(rows);
  for (int64_t i = 0; i < kSquare; ++i) {
    std::memcpy(static_cast<uint32_t*>(to) + i * to_stride, &rows[i], sizeof(Words));
  }
}

template <class T>
void transpose_tile(const T* from, int64_t from_stride, T* to, int64_t to_stride, int64_t rows,
                    int64_t columns) {
  int64_t squares = 0;  // rows that are done, but for the last columns
  const int64_t whole_columns = sizeof(T) == 4 ? columns / kSquare * kSquare : 0;
  if constexpr (sizeof(T) == 4) {
    squares = rows / kSquare * kSquare;
    for (int64_t c = 0; c < whole_columns; c += kSquare) {
      for (int64_t r = 0; r < squares; r += kSquare) {
        transpose_square(from + r * from_stride + c, from_stride, to + c * to_stride + r,
                         to_stride);
      }
    }
  }
  for (int64_t c = 0; c < columns; ++c) {
    for (int64_t r = c < whole_columns ? squares : 0; r < rows; ++r) {
      to[c * to_stride + r] = from[r * from_stride + c];
    }
  }
}

/// Few rows, such as the planes of a picture: the inner loop is over columns.
template <int64_t kRows, class T>
void interleave(const T* from, int64_t from_stride, T* to, int64_t columns) {
  for (int64_t c = 0; c < columns; ++c) {
    for (int64_t r = 0; r < kRows; ++r) to[c * kRows + r] = from[r * from_stride + c];
  }
}

template <class T>
void transpose(const T* source, T* target, const Matrices& matrices) {
  const int64_t rows = matrices.rows, columns = matrices.columns;
  if (rows == 3) {
    constexpr int64_t kPixels = 4096;
    const int64_t parts = (columns + kPixels - 1) / kPixels;
    parallel_for(matrices.count * parts, 1, [=](int64_t item, int64_t) {
      const int64_t at = item / parts * rows * columns, c = item % parts * kPixels;
      interleave<3>(source + at + c, columns, target + at + c * rows,
                    std::min(kPixels, columns - c));
    });
    return;
  }
  const int64_t down = (rows + kTransposeTile - 1) / kTransposeTile;
  const int64_t across = (columns + kTransposeTile - 1) / kTransposeTile;
  parallel_for(matrices.count * down * across, 8, [=](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t at = tile / (down * across) * rows * columns;
      const int64_t r = tile / across % down * kTransposeTile;
      const int64_t c = tile % across * kTransposeTile;
      transpose_tile(source + at + r * columns + c, columns, target + at + c * rows + r, rows,
                     std::min(kTransposeTile, rows - r), std::min(kTransposeTile, columns - c));
    }
  });
}

void transpose(ConstView from, View to, const Matrices& matrices) {
  if (from.numel() == 0) return;
  visit_any(from.dtype, [&]<class T>(T) { transpose(from.as<T>(), to.as<T>(), matrices); });
}

}  // namespace

void nchw_to_nhwc(ConstView from, View to) {
  transpose(from, to, check_nchw_to_nhwc(from, to));
}

void nhwc_to_nchw(ConstView from, View to) {
  transpose(from, to, check_nhwc_to_nchw(from, to));
}

}  // namespace kestrel::cpu
