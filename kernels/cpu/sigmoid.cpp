#include <kestrel/kernels/elementwise.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kestrel/kernels/cpu/sigmoid.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h: it is read once per processor.
#include <hwy/contrib/math/math-inl.h>

#include <algorithm>
#include <cmath>
#include <type_traits>

#include <kestrel/kernels/parallel.h>

HWY_BEFORE_NAMESPACE();
namespace kestrel::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Replaces values by their sigmoids; a multiple of 16 values.
void sigmoids(float* values, size_t count) {
  const hn::CappedTag<float, 16> d;
  const auto one = hn::Set(d, 1.0f);
  for (size_t i = 0; i < count; i += hn::Lanes(d)) {
    const auto x = hn::LoadU(d, values + i);
    const auto e = hn::Exp(d, hn::Neg(hn::Abs(x)));  // never above one
    const auto large = hn::Div(one, hn::Add(one, e));
    const auto result = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Mul(e, large), large);
    hn::StoreU(hn::IfThenElse(hn::IsNaN(x), x, result), d, values + i);
  }
}

}  // namespace kestrel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kestrel::cpu {

HWY_EXPORT(sigmoids);

namespace {

constexpr int64_t kTile = 1024;

}  // namespace

void sigmoid_forward(ConstView a, View out) {
  KESTREL_CHECK(a.numel() == out.numel() && a.dtype == out.dtype, "[sigmoid] ", a.dtype, a.shape,
                " does not fit ", out.dtype, out.shape);
  visit_compute(a.dtype, "sigmoid", [&]<class T>(T) {
    const T* from = a.as<T>();
    T* to = out.as<T>();
    const int64_t tiles = (a.numel() + kTile - 1) / kTile;
    parallel_for(tiles, 32, [&](int64_t first, int64_t last) {
      for (int64_t tile = first; tile < last; ++tile) {
        const int64_t begin = tile * kTile, end = std::min(a.numel(), begin + kTile);
        if constexpr (std::is_same_v<T, double>) {
          for (int64_t i = begin; i < end; ++i) to[i] = 1 / (1 + std::exp(-from[i]));
        } else {
          float values[kTile] = {};
          for (int64_t i = begin; i < end; ++i) values[i - begin] = static_cast<float>(from[i]);
          HWY_DYNAMIC_DISPATCH(sigmoids)(values, static_cast<size_t>((end - begin + 15) / 16 * 16));
          for (int64_t i = begin; i < end; ++i) to[i] = T(values[i - begin]);
        }
      }
    });
  });
}

}  // namespace kestrel::cpu
#endif
