#include <kestrel/kernels/binary.h>

#include <cmath>

#include <kestrel/kernels/common/binary_checks.h>
#include <kestrel/kernels/common/compare.h>
#include <kestrel/kernels/cuda/data_or_null.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/pack.h>

namespace kestrel::gpu {
namespace {

#include <kestrel/kernels/common/scalar_math-inl.h>
// After what it calls.
#include <kestrel/kernels/common/binary_functions-inl.h>

template <class T, int N>
__global__ void binary_kernel(int64_t n, BinaryOp op, const T* a, const T* b, T* out) {
  using A = Accumulate<T>;
  for (const int64_t i : grid_stride(n)) {
    Vector<T, N> x = vectors<N>(a)[i];
    const Vector<T, N> y = vectors<N>(b)[i];
    visit_binary(op, [&](auto f) {
      for (int k = 0; k < N; ++k) x[k] = T(f.value(static_cast<A>(x[k]), static_cast<A>(y[k])));
    });
    vectors<N>(out)[i] = x;
  }
}

template <class T>
__global__ void binary_broadcast_kernel(int64_t n, BinaryOp op, Broadcast<2> broadcast, const T* a,
                                        const T* b, T* out) {
  using A = Accumulate<T>;
  for (const int64_t i : grid_stride(n)) {
    int64_t at[2];
    broadcast.locate(i, at);
    const A x = static_cast<A>(a[at[0]]), y = static_cast<A>(b[at[1]]);
    visit_binary(op, [&](auto f) { out[i] = T(f.value(x, y)); });
  }
}

/// A gradient that is not wanted is null.
template <class T>
__global__ void binary_backward_kernel(int64_t n, BinaryOp op, Broadcast<2> broadcast, const T* a,
                                       const T* b, const T* grad_out, T* grad_a, T* grad_b) {
  using A = Accumulate<T>;
  for (const int64_t i : grid_stride(n)) {
    int64_t at[2];
    broadcast.locate(i, at);
    const A x = static_cast<A>(a[at[0]]), y = static_cast<A>(b[at[1]]),
            g = static_cast<A>(grad_out[i]);
    visit_binary(op, [&](auto f) {
      if (grad_a) grad_a[i] = T(f.grad_a(x, y, g));
      if (grad_b) grad_b[i] = T(f.grad_b(x, y, g));
    });
  }
}

template <class T>
__global__ void compare_kernel(int64_t n, CompareOp op, Broadcast<2> broadcast, const T* a,
                               const T* b, bool* out) {
  using A = Accumulate<T>;
  for (const int64_t i : grid_stride(n)) {
    int64_t at[2];
    broadcast.locate(i, at);
    const A x = static_cast<A>(a[at[0]]), y = static_cast<A>(b[at[1]]);
    visit_compare(op, [&](auto holds) { out[i] = holds(x, y); });
  }
}

template <class Word>
__global__ void where_kernel(int64_t n, Broadcast<3> broadcast, const bool* mask, const Word* a,
                             const Word* b, Word* out) {
  for (const int64_t i : grid_stride(n)) {
    int64_t at[3];
    broadcast.locate(i, at);
    out[i] = mask[at[0]] ? a[at[1]] : b[at[2]];
  }
}

}  // namespace

void binary_forward(BinaryOp op, ConstView a, ConstView b, View out, Stream stream) {
  const Broadcast<2> broadcast = check_binary("binary", a, b, out);
  visit_compute(out.dtype, "binary", [&]<class T>(T) {
    const T* x = a.as<T>();
    const T* y = b.as<T>();
    T* to = out.as<T>();
    const int64_t n = out.numel();
    if (!broadcast.is_whole(0) || !broadcast.is_whole(1)) {
      launch_1d(binary_broadcast_kernel<T>, n, stream, op, broadcast, x, y, to);
      return;
    }
    visit_pack<T>(is_packed(x, n) && is_packed(y, n) && is_packed(to, n),
                  [&]<int N>(std::integral_constant<int, N>) {
                    launch_1d(binary_kernel<T, N>, n / N, stream, op, x, y, to);
                  });
  });
}

void binary_backward(BinaryOp op, ConstView a, ConstView b, ConstView grad_out, View grad_a,
                     View grad_b, Stream stream) {
  const Broadcast<2> broadcast =
      check_binary_backward("binary_backward", a, b, grad_out, grad_a, grad_b);
  visit_compute(a.dtype, "binary_backward", [&]<class T>(T) {
    launch_1d(binary_backward_kernel<T>, grad_out.numel(), stream, op, broadcast, a.as<T>(),
              b.as<T>(), grad_out.as<T>(), data_or_null<T>(grad_a), data_or_null<T>(grad_b));
  });
}

void compare(CompareOp op, ConstView a, ConstView b, View out, Stream stream) {
  const Broadcast<2> broadcast = check_compare(a, b, out);
  visit_comparable(a.dtype, [&]<class T>(T) {
    launch_1d(compare_kernel<T>, out.numel(), stream, op, broadcast, static_cast<const T*>(a.data),
              static_cast<const T*>(b.data), out.as<bool>());
  });
}

void where(ConstView mask, ConstView a, ConstView b, View out, Stream stream) {
  const Broadcast<3> broadcast = check_where(mask, a, b, out);
  visit_width(out.dtype, [&]<class Word>(Word) {
    launch_1d(where_kernel<Word>, out.numel(), stream, broadcast, mask.as<bool>(),
              static_cast<const Word*>(a.data), static_cast<const Word*>(b.data),
              static_cast<Word*>(out.data));
  });
}

}  // namespace kestrel::gpu
