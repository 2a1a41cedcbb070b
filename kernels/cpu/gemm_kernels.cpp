#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <kestrel/kernels/cpu/gemm_kernels.cpp>
#include <kestrel/kernels/cpu/simd_targets.h>

#include <hwy/foreach_target.h>

#include <kestrel/kernels/cpu/gemm_kernels.h>
#include <kestrel/kernels/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace kestrel::cpu::HWY_NAMESPACE {
namespace {

// Two vectors of columns by as many rows as leave registers for one row of b and one broadcast:
// 14 of 32 with AVX-512, 6 of 16 with AVX2.
constexpr int64_t kPanel = 2 * kLanes;
constexpr int kMaxRows = kLanes == 16 ? 14 : 6;
constexpr int64_t kCacheLine = 16;  // in floats

/// Puts sums into c, or adds them to it, and clears them.
template <int kRows, int kVectors>
HWY_INLINE void AddTo(float* c, int64_t ldc, bool accumulate, FloatVector (&sum)[kRows][kVectors]) {
  const FloatTag d;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      float* to = c + r * ldc + v * kLanes;
      hn::StoreU(accumulate ? hn::Add(hn::LoadU(d, to), sum[r][v]) : sum[r][v], d, to);
      sum[r][v] = hn::Zero(d);
    }
  }
}

template <int kRows, int kVectors>
HWY_NOINLINE void MultiplyTile(int64_t depth, const float* HWY_RESTRICT a, int64_t a_block,
                               const float* HWY_RESTRICT b, float* HWY_RESTRICT c, int64_t ldc,
                               bool accumulate, const float* ahead, int64_t ahead_step) {
  const FloatTag d;
  FloatVector sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      sum[r][v] = hn::Zero(d);
    }
  }
  for (int64_t block = 0; block < depth; block += kDepthBlock) {
    if (block > 0 && block % kSumDepth == 0) {
      AddTo(c, ldc, accumulate, sum);
      accumulate = true;
    }
    for (int64_t line = 0; line < ahead_step; line += kCacheLine) {
      __builtin_prefetch(ahead + line, 0, 2);
    }
    ahead += ahead_step;
    const float* HWY_RESTRICT row = a;
#pragma GCC unroll 2
    for (int64_t k = 0; k < kDepthBlock; ++k) {
      FloatVector right[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) right[v] = hn::LoadU(d, b + v * kLanes);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const FloatVector left = hn::Set(d, row[r * kDepthBlock]);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(left, right[v], sum[r][v]);
      }
      ++row;
      b += kPanel;
    }
    a += a_block;
  }
  AddTo(c, ldc, accumulate, sum);
}

template <int kRows, int kVectors>
HWY_NOINLINE void MultiplyTransposedTile(int64_t depth, const float* HWY_RESTRICT a, int64_t lda,
                                         const float* HWY_RESTRICT b, float* HWY_RESTRICT c,
                                         int64_t ldc, bool accumulate) {
  const FloatTag d;
  FloatVector sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      sum[r][v] = accumulate ? hn::LoadU(d, c + r * ldc + v * kLanes) : hn::Zero(d);
    }
  }
#pragma GCC unroll 2
  for (int64_t k = 0; k < depth; ++k) {
    FloatVector right[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) right[v] = hn::LoadU(d, b + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const FloatVector left = hn::Set(d, a[r]);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(left, right[v], sum[r][v]);
    }
    a += lda;
    b += kPanel;
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[r][v], d, c + r * ldc + v * kLanes);
  }
}

template <int kRows, int kVectors>
HWY_NOINLINE void MultiplyOverlappingTile(int64_t segments, int64_t length,
                                          const float* HWY_RESTRICT a, int64_t segment_stride,
                                          const float* HWY_RESTRICT b, float* HWY_RESTRICT c,
                                          int64_t ldc) {
  const FloatTag d;
  FloatVector sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
  }
  for (int64_t s = 0; s < segments; ++s) {
    const float* HWY_RESTRICT row = a + s * segment_stride;
    for (int64_t k = 0; k < length; ++k) {
      FloatVector right[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) right[v] = hn::LoadU(d, b + v * kLanes);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const FloatVector left = hn::Set(d, row[r * kOverlapStep]);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(left, right[v], sum[r][v]);
      }
      ++row;
      b += kPanel;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[r][v], d, c + r * ldc + v * kLanes);
  }
}

template <int kRows>
void MultiplyOverlappingRows(int rows, int64_t columns, int64_t segments, int64_t length,
                             const float* a, int64_t segment_stride, const float* b, float* c,
                             int64_t ldc) {
  if constexpr (kRows > 0) {
    if (rows < kRows) {
      return MultiplyOverlappingRows<kRows - 1>(rows, columns, segments, length, a, segment_stride,
                                                b, c, ldc);
    }
    if (columns > kLanes) {
      MultiplyOverlappingTile<kRows, 2>(segments, length, a, segment_stride, b, c, ldc);
    } else {
      MultiplyOverlappingTile<kRows, 1>(segments, length, a, segment_stride, b, c, ldc);
    }
  }
}

template <int kRows>
void MultiplyRows(int rows, int64_t columns, int64_t depth, const float* a, int64_t a_block,
                  const float* b, float* c, int64_t ldc, bool accumulate, const float* ahead,
                  int64_t ahead_step) {
  if constexpr (kRows > 0) {
    if (rows < kRows) {
      return MultiplyRows<kRows - 1>(rows, columns, depth, a, a_block, b, c, ldc, accumulate, ahead,
                                     ahead_step);
    }
    if (columns > kLanes) {
      MultiplyTile<kRows, 2>(depth, a, a_block, b, c, ldc, accumulate, ahead, ahead_step);
    } else {
      MultiplyTile<kRows, 1>(depth, a, a_block, b, c, ldc, accumulate, ahead, ahead_step);
    }
  }
}

template <int kRows>
void MultiplyTransposedRows(int rows, int64_t columns, int64_t depth, const float* a, int64_t lda,
                            const float* b, float* c, int64_t ldc, bool accumulate) {
  if constexpr (kRows > 0) {
    if (rows < kRows) {
      return MultiplyTransposedRows<kRows - 1>(rows, columns, depth, a, lda, b, c, ldc, accumulate);
    }
    if (columns > kLanes) {
      MultiplyTransposedTile<kRows, 2>(depth, a, lda, b, c, ldc, accumulate);
    } else {
      MultiplyTransposedTile<kRows, 1>(depth, a, lda, b, c, ldc, accumulate);
    }
  }
}

/// Calls f(first row, rows) over groups of nearly equal size that fit the registers.
template <class F>
HWY_INLINE void EachRowGroup(int64_t m, F&& f) {
  const int64_t groups = (m + kMaxRows - 1) / kMaxRows;
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t begin = m * g / groups;
    f(begin, static_cast<int>(m * (g + 1) / groups - begin));
  }
}

void Multiply(int64_t m, int64_t columns, int64_t depth, const float* a, int64_t a_rows,
              const float* b, float* c, int64_t ldc, bool accumulate) {
  // The next panel follows this one in memory, and is mostly not in L2 yet: each group of rows
  // asks for its share of it. Prefetches beyond the end do no harm.
  const int64_t groups = (m + kMaxRows - 1) / kMaxRows;
  const int64_t step = (kDepthBlock * kPanel / groups + kCacheLine - 1) / kCacheLine * kCacheLine;
  const float* ahead = b + depth * kPanel;
  EachRowGroup(m, [&](int64_t begin, int rows) {
    MultiplyRows<kMaxRows>(rows, columns, depth, a + begin * kDepthBlock, a_rows * kDepthBlock, b,
                           c + begin * ldc, ldc, accumulate, ahead, step);
    ahead += depth / kDepthBlock * step;
  });
}

void MultiplyOverlapping(int64_t m, int64_t columns, int64_t segments, int64_t length,
                         const float* a, int64_t segment_stride, const float* b, float* c,
                         int64_t ldc) {
  EachRowGroup(m, [&](int64_t begin, int rows) {
    MultiplyOverlappingRows<kMaxRows>(rows, columns, segments, length, a + begin * kOverlapStep,
                                      segment_stride, b, c + begin * ldc, ldc);
  });
}

void MultiplyTransposed(int64_t m, int64_t columns, int64_t depth, const float* a, int64_t lda,
                        const float* b, float* c, int64_t ldc, bool accumulate) {
  EachRowGroup(m, [&](int64_t begin, int rows) {
    MultiplyTransposedRows<kMaxRows>(rows, columns, depth, a + begin, lda, b, c + begin * ldc, ldc,
                                     accumulate);
  });
}

template <class T>
void PackTransposed(const T* from, int64_t ld, int64_t columns, int64_t depth, float* b) {
  const FloatTag d;
  const hn::RebindToSigned<FloatTag> di;
  const auto column = hn::Mul(hn::Iota(di, 0), hn::Set(di, static_cast<int32_t>(kLanes)));
  const int64_t whole = padded_depth(depth);
  HWY_ALIGN float square[kLanes * kLanes];
  for (int64_t j = 0; j < kPanel; j += kLanes) {
    for (int64_t k = 0; k < whole; k += kLanes) {
      for (int64_t i = 0; i < kLanes; ++i) {
        const int64_t left = j + i < columns && k < depth ? depth - k : 0;
        const FloatVector row = left > 0 ? LoadFloat(from + (j + i) * ld + k, left) : hn::Zero(d);
        hn::Store(row, d, square + i * kLanes);
      }
      for (int64_t l = 0; l < kLanes && k + l < whole; ++l) {
        hn::StoreU(hn::GatherIndex(d, square + l, column), d, b + (k + l) * kPanel + j);
      }
    }
  }
}

template <class T>
void CopyRows(const T* from, int64_t from_stride, int64_t rows, int64_t columns, int64_t n,
              float* to, int64_t to_stride) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < n; j += kLanes) {
      const int64_t left = columns - j;
      const FloatVector value =
          left > 0 ? LoadFloat(from + i * from_stride + j, left) : hn::Zero(FloatTag());
      StoreFloat(value, to + i * to_stride + j, n - j);
    }
  }
}

template <class T>
void Gather(const T* const* sources, int64_t offset, int64_t rows, int64_t blocks, float* to,
            int64_t row_stride, int64_t block_stride) {
  for (int64_t i = 0; i < rows; ++i) {
    const T* from = sources[i];
    float* block = to + i * row_stride;
    for (int64_t b = 0; b < blocks; ++b) {
      for (int64_t l = 0; l < kDepthBlock; l += kLanes) {
        StoreFloat(from ? LoadFloat(from + offset + b * kDepthBlock + l) : hn::Zero(FloatTag()),
                   block + l);
      }
      block += block_stride;
    }
  }
}

template <class T>
void Store(const TileStore<T>& tile) {
  const FloatTag d;
  const FloatVector lower = hn::Set(d, tile.lower);
  for (int64_t j = 0; j < tile.columns; j += kLanes) {
    const FloatVector bias = tile.bias ? hn::LoadU(d, tile.bias + j) : hn::Zero(d);
    const int64_t left = tile.columns - j;
    for (int64_t i = 0; i < tile.rows; ++i) {
      const int64_t at = tile.offsets[i] + j;
      FloatVector value = hn::Add(hn::LoadU(d, tile.sums + i * tile.stride + j), bias);
      if (tile.residual) value = hn::Add(value, LoadFloat(tile.residual + at, left));
      // The second operand is returned if either is NaN: NaN stays NaN.
      StoreFloat(hn::Max(lower, value), tile.output + at, left);
    }
  }
}

const GemmKernels* Kernels() {
  static const GemmKernels kernels = {.panel = kPanel,
                                      .rows = kMaxRows,
                                      .multiply = Multiply,
                                      .multiply_overlapping = MultiplyOverlapping,
                                      .multiply_transposed = MultiplyTransposed,
                                      .pack_transposed = PackTransposed<float>,
                                      .pack_transposed_bf16 = PackTransposed<bfloat16>,
                                      .copy_rows = CopyRows<float>,
                                      .copy_rows_bf16 = CopyRows<bfloat16>,
                                      .gather = Gather<float>,
                                      .gather_bf16 = Gather<bfloat16>,
                                      .store = Store<float>,
                                      .store_bf16 = Store<bfloat16>};
  return &kernels;
}

}  // namespace
}  // namespace kestrel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kestrel::cpu {

HWY_EXPORT(Kernels);

const GemmKernels& gemm_kernels() {
  static const GemmKernels& kernels = *HWY_DYNAMIC_DISPATCH(Kernels)();
  return kernels;
}

}  // namespace kestrel::cpu
#endif
