#include <kestrel/kernels/unary.h>

#include <kestrel/kernels/cpu/simd_targets.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kestrel/kernels/cpu/unary.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <kestrel/kernels/cpu/lanes-inl.h>

#include <cmath>
#include <type_traits>

#include <kestrel/kernels/common/unary_checks.h>
#include <kestrel/kernels/cpu/broadcast_tiles.h>

HWY_BEFORE_NAMESPACE();
namespace kestrel::cpu::HWY_NAMESPACE {

#include <kestrel/kernels/common/unary_functions-inl.h>

void forward_floats(const UnaryParams& p, const float* x, float* y, int64_t count) {
  const Lanes a(p.a), b(p.b);
  visit_unary(p.op, [&](auto f) {
    for (int64_t i = 0; i < count; i += kLanes) {
      const Lanes value(LoadFloat(x + i, count - i));
      StoreFloat(f.value(value, a, b).v, y + i, count - i);
    }
  });
}

void backward_floats(const UnaryParams& p, const float* saved, const float* grad_y, float* grad_x,
                     int64_t count) {
  const Lanes a(p.a), b(p.b);
  visit_unary(p.op, [&](auto f) {
    for (int64_t i = 0; i < count; i += kLanes) {
      const Lanes value(LoadFloat(saved + i, count - i)), g(LoadFloat(grad_y + i, count - i));
      StoreFloat(f.gradient(value, g, a, b).v, grad_x + i, count - i);
    }
  });
}

}  // namespace kestrel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kestrel::cpu {

HWY_EXPORT(forward_floats);
HWY_EXPORT(backward_floats);

namespace {

namespace scalar {
#include <kestrel/kernels/common/scalar_math-inl.h>
#include <kestrel/kernels/common/unary_functions-inl.h>
}  // namespace scalar

}  // namespace

void unary_forward(ConstView x, View y, const UnaryParams& p) {
  check_unary("unary", x, y);
  visit_compute(x.dtype, "unary", [&]<class T>(T) {
    const T* from = x.as<T>();
    T* to = y.as<T>();
    for_tiles(x.numel(), [=](int64_t begin, int64_t end) {
      if constexpr (std::is_same_v<T, double>) {
        scalar::visit_unary(p.op, [&](auto f) {
          for (int64_t i = begin; i < end; ++i) to[i] = f.value(from[i], p.a, p.b);
        });
      } else if constexpr (std::is_same_v<T, float>) {
        HWY_DYNAMIC_DISPATCH(forward_floats)(p, from + begin, to + begin, end - begin);
      } else {
        float values[kTile];
        for (int64_t i = begin; i < end; ++i) values[i - begin] = static_cast<float>(from[i]);
        HWY_DYNAMIC_DISPATCH(forward_floats)(p, values, values, end - begin);
        for (int64_t i = begin; i < end; ++i) to[i] = T(values[i - begin]);
      }
    });
  });
}

void unary_backward(ConstView saved, ConstView grad_y, View grad_x, const UnaryParams& p) {
  check_unary("unary_backward", saved, grad_y);
  check_unary("unary_backward", saved, grad_x);
  visit_compute(saved.dtype, "unary_backward", [&]<class T>(T) {
    const T* at = saved.as<T>();
    const T* g = grad_y.as<T>();
    T* to = grad_x.as<T>();
    for_tiles(saved.numel(), [=](int64_t begin, int64_t end) {
      if constexpr (std::is_same_v<T, double>) {
        scalar::visit_unary(p.op, [&](auto f) {
          for (int64_t i = begin; i < end; ++i) to[i] = f.gradient(at[i], g[i], p.a, p.b);
        });
      } else if constexpr (std::is_same_v<T, float>) {
        HWY_DYNAMIC_DISPATCH(backward_floats)(p, at + begin, g + begin, to + begin, end - begin);
      } else {
        float values[kTile], grads[kTile];
        for (int64_t i = begin; i < end; ++i) values[i - begin] = static_cast<float>(at[i]);
        for (int64_t i = begin; i < end; ++i) grads[i - begin] = static_cast<float>(g[i]);
        HWY_DYNAMIC_DISPATCH(backward_floats)(p, values, grads, grads, end - begin);
        for (int64_t i = begin; i < end; ++i) to[i] = T(grads[i - begin]);
      }
    });
  });
}

}  // namespace kestrel::cpu
#endif
