#include <kestrel/kernels/binary.h>

#include <kestrel/kernels/cpu/simd_targets.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kestrel/kernels/cpu/binary.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <kestrel/kernels/cpu/lanes-inl.h>

#include <cmath>
#include <type_traits>

#include <kestrel/kernels/common/binary_checks.h>
#include <kestrel/kernels/cpu/broadcast_tiles.h>

HWY_BEFORE_NAMESPACE();
namespace kestrel::cpu::HWY_NAMESPACE {

#include <kestrel/kernels/common/binary_functions-inl.h>

void join_floats(BinaryOp op, const float* a, const float* b, float* out, int64_t count) {
  visit_binary(op, [&](auto f) {
    for (int64_t i = 0; i < count; i += kLanes) {
      const Lanes x(LoadFloat(a + i, count - i)), y(LoadFloat(b + i, count - i));
      StoreFloat(f.value(x, y).v, out + i, count - i);
    }
  });
}

/// Either gradient may be null, and be in the place of an operand.
void differentiate_floats(BinaryOp op, const float* a, const float* b, const float* grad,
                          float* grad_a, float* grad_b, int64_t count) {
  visit_binary(op, [&](auto f) {
    for (int64_t i = 0; i < count; i += kLanes) {
      const Lanes x(LoadFloat(a + i, count - i)), y(LoadFloat(b + i, count - i)),
          g(LoadFloat(grad + i, count - i));
      if (grad_a) StoreFloat(f.grad_a(x, y, g).v, grad_a + i, count - i);
      if (grad_b) StoreFloat(f.grad_b(x, y, g).v, grad_b + i, count - i);
    }
  });
}

}  // namespace kestrel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kestrel::cpu {

HWY_EXPORT(join_floats);
HWY_EXPORT(differentiate_floats);

namespace {

namespace scalar {
#include <kestrel/kernels/common/scalar_math-inl.h>
// After what it calls.
#include <kestrel/kernels/common/binary_functions-inl.h>
}  // namespace scalar

void join(BinaryOp op, const float* a, const float* b, float* out, int64_t count) {
  HWY_DYNAMIC_DISPATCH(join_floats)(op, a, b, out, count);
}

void join(BinaryOp op, const double* a, const double* b, double* out, int64_t count) {
  scalar::visit_binary(op, [&](auto f) {
    for (int64_t i = 0; i < count; ++i) out[i] = f.value(a[i], b[i]);
  });
}

void differentiate(BinaryOp op, const float* a, const float* b, const float* grad, float* grad_a,
                   float* grad_b, int64_t count) {
  HWY_DYNAMIC_DISPATCH(differentiate_floats)(op, a, b, grad, grad_a, grad_b, count);
}

void differentiate(BinaryOp op, const double* a, const double* b, const double* grad,
                   double* grad_a, double* grad_b, int64_t count) {
  scalar::visit_binary(op, [&](auto f) {
    for (int64_t i = 0; i < count; ++i) {
      const double x = a[i], y = b[i], g = grad[i];
      if (grad_a) grad_a[i] = f.grad_a(x, y, g);
      if (grad_b) grad_b[i] = f.grad_b(x, y, g);
    }
  });
}

}  // namespace

void binary_forward(BinaryOp op, ConstView a, ConstView b, View out) {
  const Broadcast<2> broadcast = check_binary("binary", a, b, out);
  visit_compute(out.dtype, "binary", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* pa = a.as<T>();
    const T* pb = b.as<T>();
    T* to = out.as<T>();
    for_tiles(out.numel(), [&](int64_t begin, int64_t end) {
      A tile_a[kTile], tile_b[kTile];
      const A* x = read_tile(broadcast, 0, pa, begin, end, tile_a);
      const A* y = read_tile(broadcast, 1, pb, begin, end, tile_b);
      if constexpr (std::is_same_v<T, A>) {
        join(op, x, y, to + begin, end - begin);
      } else {
        join(op, x, y, tile_a, end - begin);
        for (int64_t i = begin; i < end; ++i) to[i] = T(tile_a[i - begin]);
      }
    });
  });
}

void binary_backward(BinaryOp op, ConstView a, ConstView b, ConstView grad_out, View grad_a,
                     View grad_b) {
  const Broadcast<2> broadcast =
      check_binary_backward("binary_backward", a, b, grad_out, grad_a, grad_b);
  visit_compute(a.dtype, "binary_backward", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* pa = a.as<T>();
    const T* pb = b.as<T>();
    const T* pg = grad_out.as<T>();
    T* to_a = grad_a ? grad_a.as<T>() : nullptr;
    T* to_b = grad_b ? grad_b.as<T>() : nullptr;
    for_tiles(grad_out.numel(), [&](int64_t begin, int64_t end) {
      A tile_a[kTile], tile_b[kTile];
      const A* x = read_tile(broadcast, 0, pa, begin, end, tile_a);
      const A* y = read_tile(broadcast, 1, pb, begin, end, tile_b);
      if constexpr (std::is_same_v<T, A>) {
        differentiate(op, x, y, pg + begin, to_a ? to_a + begin : nullptr,
                      to_b ? to_b + begin : nullptr, end - begin);
      } else {
        A grad[kTile];
        for (int64_t i = begin; i < end; ++i) grad[i - begin] = static_cast<A>(pg[i]);
        differentiate(op, x, y, grad, to_a ? tile_a : nullptr, to_b ? tile_b : nullptr,
                      end - begin);
        for (int64_t i = begin; i < end; ++i) {
          if (to_a) to_a[i] = T(tile_a[i - begin]);
          if (to_b) to_b[i] = T(tile_b[i - begin]);
        }
      }
    });
  });
}

}  // namespace kestrel::cpu
#endif
