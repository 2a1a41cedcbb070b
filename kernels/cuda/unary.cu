#include <kestrel/kernels/unary.h>

#include <cmath>

#include <kestrel/kernels/common/unary_checks.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/pack.h>

namespace kestrel::gpu {
namespace {

#include <kestrel/kernels/common/scalar_math-inl.h>
#include <kestrel/kernels/common/unary_functions-inl.h>

template <class T, int N>
__global__ void unary_forward_kernel(int64_t n, UnaryParams p, const T* x, T* y) {
  using A = Accumulate<T>;
  const A a = static_cast<A>(p.a), b = static_cast<A>(p.b);
  for (const int64_t i : grid_stride(n)) {
    Vector<T, N> values = vectors<N>(x)[i];
    visit_unary(p.op, [&](auto f) {
      for (int k = 0; k < N; ++k) values[k] = T(f.value(static_cast<A>(values[k]), a, b));
    });
    vectors<N>(y)[i] = values;
  }
}

template <class T, int N>
__global__ void unary_backward_kernel(int64_t n, UnaryParams p, const T* saved, const T* grad_y,
                                      T* grad_x) {
  using A = Accumulate<T>;
  const A a = static_cast<A>(p.a), b = static_cast<A>(p.b);
  for (const int64_t i : grid_stride(n)) {
    const Vector<T, N> at = vectors<N>(saved)[i];
    Vector<T, N> values = vectors<N>(grad_y)[i];
    visit_unary(p.op, [&](auto f) {
      for (int k = 0; k < N; ++k) {
        values[k] = T(f.gradient(static_cast<A>(at[k]), static_cast<A>(values[k]), a, b));
      }
    });
    vectors<N>(grad_x)[i] = values;
  }
}

}  // namespace

void unary_forward(ConstView x, View y, const UnaryParams& p, Stream stream) {
  check_unary("unary", x, y);
  visit_compute(x.dtype, "unary", [&]<class T>(T) {
    const T* from = x.as<T>();
    T* to = y.as<T>();
    const int64_t n = x.numel();
    visit_pack<T>(is_packed(from, n) && is_packed(to, n),
                  [&]<int N>(std::integral_constant<int, N>) {
                    launch_1d(unary_forward_kernel<T, N>, n / N, stream, p, from, to);
                  });
  });
}

void unary_backward(ConstView saved, ConstView grad_y, View grad_x, const UnaryParams& p,
                    Stream stream) {
  check_unary("unary_backward", saved, grad_y);
  check_unary("unary_backward", saved, grad_x);
  visit_compute(saved.dtype, "unary_backward", [&]<class T>(T) {
    const T* at = saved.as<T>();
    const T* g = grad_y.as<T>();
    T* to = grad_x.as<T>();
    const int64_t n = saved.numel();
    visit_pack<T>(is_packed(at, n) && is_packed(g, n) && is_packed(to, n),
                  [&]<int N>(std::integral_constant<int, N>) {
                    launch_1d(unary_backward_kernel<T, N>, n / N, stream, p, at, g, to);
                  });
  });
}

}  // namespace kestrel::gpu
