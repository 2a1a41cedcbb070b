#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <kestrel/kernels/cpu/gemm_kernels.cpp>
#include <kestrel/kernels/cpu/simd_targets.h>

#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>

#include <algorithm>

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

/// sum, with c where it is not null, to where `store` says.
template <int kRows, int kVectors>
HWY_INLINE void Finish(const float* c, int64_t ldc, const TileStore<float>& store, int64_t first,
                       FloatVector (&sum)[kRows][kVectors]) {
  const FloatTag d;
  const FloatVector lower = hn::Set(d, store.lower);
  FloatVector bias[kVectors];
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    bias[v] = store.bias ? hn::LoadU(d, store.bias + v * kLanes) : hn::Zero(d);
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const int64_t at = store.offsets[first + r];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      FloatVector value = sum[r][v];
      if (c) value = hn::Add(hn::LoadU(d, c + r * ldc + v * kLanes), value);
      value = hn::Add(value, bias[v]);
      if (store.residual) {
        value = hn::Add(value, hn::LoadU(d, store.residual + at + v * kLanes));
      }
      // The second operand is returned if either is NaN: NaN stays NaN.
      value = hn::Max(lower, value);
      if (store.stream) {
        hn::Stream(value, d, store.output + at + v * kLanes);
      } else {
        hn::StoreU(value, d, store.output + at + v * kLanes);
      }
    }
  }
}

/// What each depth block of a tile asks for: `step` floats from `at` on.
struct Prefetch {
  const float* at;
  int64_t step;

  HWY_INLINE void next() {
    for (int64_t line = 0; line < step; line += kCacheLine) {
      __builtin_prefetch(at + line, 0, 2);
    }
    at += step;
  }
};

/// Rows [first, first + kRows) of a product. They are addressed by threes: base, base + stride and
/// base + 2 * stride.
template <int kRows, int kVectors>
HWY_NOINLINE void MultiplyTile(const PanelProduct& p, int64_t first, Prefetch panel,
                               Prefetch left) {
  constexpr int kBases = (kRows + 2) / 3;
  const FloatTag d;
  FloatVector sum[kRows][kVectors];
  const float* HWY_RESTRICT base[kBases];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
  }
  const int64_t stride = p.a_row;
#pragma GCC unroll 5
  for (int i = 0; i < kBases; ++i) base[i] = p.a + (first + 3 * i) * stride;
  const float* HWY_RESTRICT b = p.b;
  // Sums that go on to `store` at once need room for one tile only, which stays in L1.
  bool accumulate = p.accumulate;
  float* c = p.sums + (p.store && !accumulate ? 0 : first * p.sum_stride);
  int64_t left_depth = p.depth;
  for (;;) {
    const int64_t some = std::min(left_depth, kSumDepth);
    for (int64_t block = 0; block < some; block += kDepthBlock) {
      panel.next();
      left.next();
#pragma GCC unroll 2
      for (int64_t k = 0; k < kDepthBlock; ++k) {
        FloatVector right[kVectors];
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) right[v] = hn::LoadU(d, b + v * kLanes);
#pragma GCC unroll 16
        for (int r = 0; r < kRows; ++r) {
          const FloatVector value = hn::Set(d, base[r / 3][r % 3 * stride]);
#pragma GCC unroll 2
          for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(value, right[v], sum[r][v]);
        }
#pragma GCC unroll 5
        for (int i = 0; i < kBases; ++i) ++base[i];
        b += kPanel;
      }
#pragma GCC unroll 5
      for (int i = 0; i < kBases; ++i) base[i] += p.a_block - kDepthBlock;
    }
    left_depth -= some;
    if (left_depth <= 0) break;
    AddTo(c, p.sum_stride, accumulate, sum);
    accumulate = true;
  }
  if (p.store) {
    Finish(accumulate ? c : nullptr, p.sum_stride, *p.store, first, sum);
  } else {
    AddTo(c, p.sum_stride, accumulate, sum);
  }
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
void MultiplyRows(int rows, const PanelProduct& p, int64_t first, Prefetch panel, Prefetch left) {
  if constexpr (kRows > 0) {
    if (rows < kRows) return MultiplyRows<kRows - 1>(rows, p, first, panel, left);
    if (p.columns > kLanes) {
      MultiplyTile<kRows, 2>(p, first, panel, left);
    } else {
      MultiplyTile<kRows, 1>(p, first, panel, left);
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

/// Floats of each of `parts` shares, in whole cache lines.
int64_t ShareOf(int64_t floats, int64_t parts) {
  return (floats / parts + kCacheLine - 1) / kCacheLine * kCacheLine;
}

template <class T>
void Store(const TileStore<T>& tile);

void Multiply(const PanelProduct& product) {
  PanelProduct p = product;
  const bool whole = p.columns % kLanes == 0;
  if (!whole) p.store = nullptr;
  // The next panel follows this one in memory, and is mostly not in L2 yet: each group of rows
  // asks for its share of it.
  const int64_t groups = (p.rows + kMaxRows - 1) / kMaxRows, blocks = p.depth / kDepthBlock;
  Prefetch panel{p.b + p.depth * kPanel, ShareOf(kDepthBlock * kPanel, groups)};
  Prefetch left{p.ahead.data, p.ahead.floats > 0
                                  ? ShareOf(p.ahead.floats, groups * std::max<int64_t>(1, blocks))
                                  : 0};
  EachRowGroup(p.rows, [&](int64_t begin, int rows) {
    MultiplyRows<kMaxRows>(rows, p, begin, panel, left);
    panel.at += blocks * panel.step;
    left.at += blocks * left.step;
  });
  if (whole && p.store && p.store->stream) hwy::FlushStream();
  if (!whole && product.store) Store(*product.store);
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
