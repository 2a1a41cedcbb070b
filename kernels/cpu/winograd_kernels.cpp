#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <kestrel/kernels/cpu/winograd_kernels.cpp>
#include <kestrel/kernels/cpu/simd_targets.h>

#include <hwy/foreach_target.h>

#include <kestrel/kernels/cpu/gemm_kernels.h>
#include <kestrel/kernels/cpu/simd-inl.h>
#include <kestrel/kernels/cpu/winograd_kernels.h>

HWY_BEFORE_NAMESPACE();
namespace kestrel::cpu::HWY_NAMESPACE {
namespace {

constexpr int64_t kPanel = 2 * kLanes;

// The polynomials are evaluated at 0, +-kA, +-kB and infinity. With 1 and 2, as Lavin and Gray
// (2015) have it, errors are 2.2 times as large; a product of the two near 1 keeps the powers
// small. All powers that are used are exact in float32.
constexpr double kA = 0.625;
constexpr double kB = 1.5;
constexpr double kA2 = kA * kA, kB2 = kB * kB;
/// Products of the distances from 0, kA and kB to the other points.
constexpr double kN0 = kA2 * kB2;
constexpr double kNA = 2 * kA2 * (kA2 - kB2);
constexpr double kNB = 2 * kB2 * (kB2 - kA2);

HWY_INLINE FloatVector Constant(double value) {
  return hn::Set(FloatTag(), static_cast<float>(value));
}

/// to = B^T from, for one column or row of the input patch.
HWY_INLINE void InputTransform(const FloatVector* from, FloatVector* to) {
  const FloatVector n0 = Constant(kN0), squares = Constant(kA2 + kB2);
  const FloatVector a2 = Constant(kA2), b2 = Constant(kB2);
  to[0] = hn::Add(hn::NegMulAdd(squares, from[2], hn::Mul(n0, from[0])), from[4]);
  const FloatVector even = hn::NegMulAdd(b2, from[2], from[4]);
  const FloatVector odd = hn::Mul(Constant(kA), hn::NegMulAdd(b2, from[1], from[3]));
  to[1] = hn::Add(even, odd);
  to[2] = hn::Sub(even, odd);
  const FloatVector even2 = hn::NegMulAdd(a2, from[2], from[4]);
  const FloatVector odd2 = hn::Mul(Constant(kB), hn::NegMulAdd(a2, from[1], from[3]));
  to[3] = hn::Add(even2, odd2);
  to[4] = hn::Sub(even2, odd2);
  to[5] = hn::Add(hn::NegMulAdd(squares, from[3], hn::Mul(n0, from[1])), from[5]);
}

/// to = A^T from: six points to four outputs.
HWY_INLINE void OutputTransform(const FloatVector* from, FloatVector* to) {
  const FloatVector sum = hn::Add(from[1], from[2]), difference = hn::Sub(from[1], from[2]);
  const FloatVector sum2 = hn::Add(from[3], from[4]), difference2 = hn::Sub(from[3], from[4]);
  to[0] = hn::Add(hn::Add(from[0], sum), sum2);
  to[1] = hn::MulAdd(Constant(kB), difference2, hn::Mul(Constant(kA), difference));
  to[2] = hn::MulAdd(Constant(kB2), sum2, hn::Mul(Constant(kA2), sum));
  to[3] = hn::MulAdd(Constant(kB2 * kB), difference2,
                     hn::MulAdd(Constant(kA2 * kA), difference, from[5]));
}

/// to = A from: four gradients to six points.
HWY_INLINE void GradientTransform(const FloatVector* from, FloatVector* to) {
  const FloatVector a2 = Constant(kA2), b2 = Constant(kB2);
  const FloatVector even = hn::MulAdd(a2, from[2], from[0]);
  const FloatVector odd = hn::Mul(Constant(kA), hn::MulAdd(a2, from[3], from[1]));
  const FloatVector even2 = hn::MulAdd(b2, from[2], from[0]);
  const FloatVector odd2 = hn::Mul(Constant(kB), hn::MulAdd(b2, from[3], from[1]));
  to[0] = from[0];
  to[1] = hn::Add(even, odd);
  to[2] = hn::Sub(even, odd);
  to[3] = hn::Add(even2, odd2);
  to[4] = hn::Sub(even2, odd2);
  to[5] = from[3];
}

/// to = G from: three weights to six points.
HWY_INLINE void WeightTransform(const FloatVector* from, FloatVector* to) {
  const FloatVector ends =
      hn::MulAdd(Constant(1 / kNA), from[0], hn::Mul(Constant(kA2 / kNA), from[2]));
  const FloatVector middle = hn::Mul(Constant(kA / kNA), from[1]);
  const FloatVector ends2 =
      hn::MulAdd(Constant(1 / kNB), from[0], hn::Mul(Constant(kB2 / kNB), from[2]));
  const FloatVector middle2 = hn::Mul(Constant(kB / kNB), from[1]);
  to[0] = hn::Mul(Constant(1 / kN0), from[0]);
  to[1] = hn::Add(ends, middle);
  to[2] = hn::Sub(ends, middle);
  to[3] = hn::Add(ends2, middle2);
  to[4] = hn::Sub(ends2, middle2);
  to[5] = from[2];
}

/// to = G^T from: six points to three weight gradients.
HWY_INLINE void WeightGradientTransform(const FloatVector* from, FloatVector* to) {
  const FloatVector sum = hn::Add(from[1], from[2]), difference = hn::Sub(from[1], from[2]);
  const FloatVector sum2 = hn::Add(from[3], from[4]), difference2 = hn::Sub(from[3], from[4]);
  to[0] = hn::MulAdd(Constant(1 / kNB), sum2,
                     hn::MulAdd(Constant(1 / kNA), sum, hn::Mul(Constant(1 / kN0), from[0])));
  to[1] = hn::MulAdd(Constant(kB / kNB), difference2, hn::Mul(Constant(kA / kNA), difference));
  to[2] = hn::MulAdd(Constant(kB2 / kNB), sum2, hn::MulAdd(Constant(kA2 / kNA), sum, from[5]));
}

/// Applies `transform` to the columns and then to the rows of a patch, one vector of channels:
/// from[i * kSize + j] is where pixel (i, j) lies.
template <int kSize, class T, class F>
HWY_INLINE void TransformPatch(const T* const* from, const int64_t* at, int64_t left, float* to,
                               int64_t point_stride, F&& transform) {
  const FloatTag d;
  FloatVector half[kPatch][kSize];  // columns transformed
#pragma GCC unroll 6
  for (int j = 0; j < kSize; ++j) {
    FloatVector column[kSize], points[kPatch];
#pragma GCC unroll 6
    for (int i = 0; i < kSize; ++i) {
      const T* pixel = from[i * kSize + j] + at[i * kSize + j];
      column[i] = left >= kLanes ? LoadFloat(pixel) : LoadFloat(pixel, left);
    }
    transform(column, points);
#pragma GCC unroll 6
    for (int i = 0; i < kPatch; ++i) half[i][j] = points[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < kPatch; ++i) {
    FloatVector points[kPatch];
    transform(half[i], points);
#pragma GCC unroll 6
    for (int j = 0; j < kPatch; ++j) {
      hn::StoreU(points[j], d, to + (i * kPatch + j) * point_stride);
    }
  }
}

/// The 36 points of a kSize x kSize patch. Pixels outside the image are read from a vector of
/// zeros, so that the loop over channels has no branches.
template <int kSize, class T, class F>
HWY_INLINE void TransformTile(const TileIn<T>& tile, int64_t padded, const PointsOut& out,
                              F&& transform) {
  static const T kZeros[kDepthBlock] = {};
  const T* from[kSize * kSize];
  int64_t at[kSize * kSize], step[kSize * kSize];
  for (int i = 0; i < kSize * kSize; ++i) {
    const int64_t y = tile.y + i / kSize, x = tile.x + i % kSize;
    const bool inside = y >= 0 && y < tile.height && x >= 0 && x < tile.width;
    from[i] = inside ? tile.image + (y * tile.width + x) * tile.channels : kZeros;
    at[i] = 0;
    step[i] = inside ? kLanes : 0;
  }
  int64_t c = 0;
  const auto where = [&]() HWY_ATTR {
    return out.data + c / out.width * out.width_stride + c % out.width;
  };
  for (; c + kLanes <= tile.channels; c += kLanes) {
    TransformPatch<kSize>(from, at, kLanes, where(), out.point_stride, transform);
    for (int i = 0; i < kSize * kSize; ++i) at[i] += step[i];
  }
  if (c < tile.channels) {
    const int64_t left = tile.channels - c;
    TransformPatch<kSize>(from, at, left, where(), out.point_stride, transform);
    c += kLanes;
  }
  for (; c < padded; c += kLanes) {
    for (int64_t p = 0; p < kPoints; ++p) {
      hn::StoreU(hn::Zero(FloatTag()), FloatTag(), where() + p * out.point_stride);
    }
  }
}

template <class T>
void Input(const TileIn<T>& tile, int64_t padded, const PointsOut& out) {
  TransformTile<6>(tile, padded, out, [](const FloatVector* from, FloatVector* to) HWY_ATTR {
    InputTransform(from, to);
  });
}

template <class T>
void Gradient(const TileIn<T>& tile, int64_t padded, const PointsOut& out) {
  TransformTile<4>(tile, padded, out, [](const FloatVector* from, FloatVector* to) HWY_ATTR {
    GradientTransform(from, to);
  });
}

template <class T>
void Output(const TileOut<T>& tile) {
  const FloatTag d;
  const FloatVector lower = hn::Set(d, tile.lower);
  for (int64_t o = 0; o < tile.columns; o += kLanes) {
    const int64_t left = tile.columns - o;
    const FloatVector bias = tile.bias ? hn::LoadU(d, tile.bias + o) : hn::Zero(d);
    FloatVector half[kTile][kPatch];
#pragma GCC unroll 6
    for (int j = 0; j < kPatch; ++j) {
      FloatVector column[kPatch], results[kTile];
#pragma GCC unroll 6
      for (int i = 0; i < kPatch; ++i) {
        column[i] = hn::LoadU(d, tile.points + (i * kPatch + j) * tile.point_stride + o);
      }
      OutputTransform(column, results);
#pragma GCC unroll 4
      for (int i = 0; i < kTile; ++i) half[i][j] = results[i];
    }
    for (int i = 0; i < tile.rows_valid; ++i) {
      FloatVector results[kTile];
      OutputTransform(half[i], results);
      for (int j = 0; j < tile.columns_valid; ++j) {
        const int64_t at = i * tile.row_stride + j * tile.pixel_stride + o;
        FloatVector value = hn::Add(results[j], bias);
        if (tile.residual) value = hn::Add(value, LoadFloat(tile.residual + at, left));
        StoreFloat(hn::Max(lower, value), tile.output + at, left);
      }
    }
  }
}

/// The 36 points of a vector of 3x3 filters.
HWY_INLINE void WeightPoints(const FloatVector* taps, FloatVector* points) {
  FloatVector half[kPatch][3];
#pragma GCC unroll 3
  for (int j = 0; j < 3; ++j) {
    const FloatVector column[3] = {taps[j], taps[3 + j], taps[6 + j]};
    FloatVector result[kPatch];
    WeightTransform(column, result);
#pragma GCC unroll 6
    for (int i = 0; i < kPatch; ++i) half[i][j] = result[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < kPatch; ++i) WeightTransform(half[i], points + i * kPatch);
}

template <class T>
void Weight(const T* weight, int64_t channels, int64_t columns, float* panels,
            int64_t point_stride) {
  const FloatTag d;
  const hn::RebindToSigned<FloatTag> di;
  const auto across = hn::Mul(hn::Iota(di, 0), hn::Set(di, static_cast<int32_t>(kLanes)));
  HWY_ALIGN float square[kPoints][kLanes][kLanes];  // (point, column, channel)
  const int64_t depth = padded_depth(channels);
  for (int64_t column = 0; column < kPanel; column += kLanes) {
    for (int64_t c = 0; c < depth; c += kLanes) {
      for (int64_t i = 0; i < kLanes; ++i) {
        FloatVector taps[9], points[kPoints];
        const int64_t left = column + i < columns && c < channels ? channels - c : 0;
        for (int t = 0; t < 9; ++t) {
          taps[t] = left > 0 ? LoadFloat(weight + ((column + i) * 9 + t) * channels + c, left)
                             : hn::Zero(d);
        }
        WeightPoints(taps, points);
        for (int p = 0; p < kPoints; ++p) hn::Store(points[p], d, square[p][i]);
      }
      for (int p = 0; p < kPoints; ++p) {
        float* to = panels + p * point_stride + c * kPanel + column;
        for (int64_t l = 0; l < kLanes; ++l) {
          hn::StoreU(hn::GatherIndex(d, &square[p][0][0] + l, across), d, to + l * kPanel);
        }
      }
    }
  }
}

template <class T>
void WeightTurned(const T* weight, int64_t outputs, int64_t channels, int64_t columns,
                  float* panels, int64_t point_stride) {
  const FloatTag d;
  const int64_t depth = padded_depth(outputs);
  for (int64_t o = 0; o < depth; ++o) {
    for (int64_t column = 0; column < kPanel; column += kLanes) {
      FloatVector taps[9], points[kPoints];
      const int64_t left = o < outputs ? columns - column : 0;
      for (int t = 0; t < 9; ++t) {
        taps[8 - t] =
            left > 0 ? LoadFloat(weight + (o * 9 + t) * channels + column, left) : hn::Zero(d);
      }
      WeightPoints(taps, points);
      float* to = panels + o * kPanel + column;
      for (int p = 0; p < kPoints; ++p) hn::StoreU(points[p], d, to + p * point_stride);
    }
  }
}

template <class T>
void WeightGradient(const float* points, int64_t point_stride, int64_t width, int64_t width_stride,
                    int64_t channels, T* grad) {
  const FloatTag d;
  for (int64_t c = 0; c < channels; c += kLanes) {
    const float* from = points + c / width * width_stride + c % width;
    FloatVector half[3][kPatch];
#pragma GCC unroll 6
    for (int j = 0; j < kPatch; ++j) {
      FloatVector column[kPatch], result[3];
#pragma GCC unroll 6
      for (int i = 0; i < kPatch; ++i) {
        column[i] = hn::LoadU(d, from + (i * kPatch + j) * point_stride);
      }
      WeightGradientTransform(column, result);
#pragma GCC unroll 3
      for (int i = 0; i < 3; ++i) half[i][j] = result[i];
    }
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) {
      FloatVector result[3];
      WeightGradientTransform(half[i], result);
#pragma GCC unroll 3
      for (int j = 0; j < 3; ++j) {
        StoreFloat(result[j], grad + (i * 3 + j) * channels + c, channels - c);
      }
    }
  }
}

const WinogradKernels* Kernels() {
  static const WinogradKernels kernels = {.input = Input<float>,
                                          .input_bf16 = Input<bfloat16>,
                                          .gradient = Gradient<float>,
                                          .gradient_bf16 = Gradient<bfloat16>,
                                          .output = Output<float>,
                                          .output_bf16 = Output<bfloat16>,
                                          .weight = Weight<float>,
                                          .weight_bf16 = Weight<bfloat16>,
                                          .weight_turned = WeightTurned<float>,
                                          .weight_turned_bf16 = WeightTurned<bfloat16>,
                                          .weight_gradient = WeightGradient<float>,
                                          .weight_gradient_bf16 = WeightGradient<bfloat16>};
  return &kernels;
}

}  // namespace
}  // namespace kestrel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kestrel::cpu {

HWY_EXPORT(Kernels);

const WinogradKernels& winograd_kernels() {
  static const WinogradKernels& kernels = *HWY_DYNAMIC_DISPATCH(Kernels)();
  return kernels;
}

}  // namespace kestrel::cpu
#endif
