#include <kestrel/kernels/reduce.h>

#include <cmath>
#include <limits>

#include <kestrel/kernels/common/reduce_checks.h>
#include <kestrel/kernels/cuda/axis_rows.h>

namespace kestrel::gpu {
namespace {

/// The largest value of a row, in all of its lanes.
template <class A, class T>
__device__ A row_largest(const AxisRow& row, int lanes, const Axis& axis, const T* from) {
  A largest = -std::numeric_limits<A>::infinity();
  if (row.exists) {
    for (int64_t i = row.lane; i < axis.length; i += lanes) {
      largest = Max{}(largest, static_cast<A>(from[i * axis.inner]));
    }
  }
  return group_reduce<Max>(largest, lanes);
}

/// The sum of exp(x - shift) over a row, in all of its lanes.
template <class A, class T>
__device__ A row_exp_sum(const AxisRow& row, int lanes, const Axis& axis, const T* from, A shift) {
  A total = 0;
  if (row.exists) {
    for (int64_t i = row.lane; i < axis.length; i += lanes) {
      total += std::exp(static_cast<A>(from[i * axis.inner]) - shift);
    }
  }
  return group_reduce<Sum>(total, lanes);
}

template <class T>
__global__ void softmax_axis_kernel(int64_t rows, int lanes, Axis axis, bool log, const T* x,
                                    T* y) {
  using A = Accumulate<T>;
  const AxisRow row(rows, lanes);
  const int64_t begin = row.exists ? axis.begin(row.index) : 0;
  const A top = row_largest<A>(row, lanes, axis, x + begin);
  const A total = row_exp_sum(row, lanes, axis, x + begin, top);
  if (!row.exists) return;
  const A shift = std::log(total);
  for (int64_t i = row.lane; i < axis.length; i += lanes) {
    const int64_t at = begin + i * axis.inner;
    const A value = static_cast<A>(x[at]) - top;
    y[at] = T(log ? value - shift : std::exp(value) / total);
  }
}

template <class T>
__global__ void softmax_axis_backward_kernel(int64_t rows, int lanes, Axis axis, bool log,
                                             const T* y, const T* grad_y, T* grad_x) {
  using A = Accumulate<T>;
  const AxisRow row(rows, lanes);
  const int64_t begin = row.exists ? axis.begin(row.index) : 0;
  A total = 0;
  if (row.exists) {
    for (int64_t i = row.lane; i < axis.length; i += lanes) {
      const int64_t at = begin + i * axis.inner;
      total += static_cast<A>(grad_y[at]) * (log ? A(1) : static_cast<A>(y[at]));
    }
  }
  total = group_reduce<Sum>(total, lanes);
  if (!row.exists) return;
  for (int64_t i = row.lane; i < axis.length; i += lanes) {
    const int64_t at = begin + i * axis.inner;
    const A value = static_cast<A>(y[at]), g = static_cast<A>(grad_y[at]);
    grad_x[at] = T(log ? g - std::exp(value) * total : value * (g - total));
  }
}

template <class T>
__global__ void log_sum_exp_kernel(int64_t rows, int lanes, Axis axis, const T* x, T* out) {
  using A = Accumulate<T>;
  const AxisRow row(rows, lanes);
  const int64_t begin = row.exists ? axis.begin(row.index) : 0;
  const A top = row_largest<A>(row, lanes, axis, x + begin);
  const A finite = std::abs(top) <= std::numeric_limits<A>::max() ? top : A(0);
  const A total = row_exp_sum(row, lanes, axis, x + begin, finite);
  if (row.exists && row.lane == 0) out[row.index] = T(finite + std::log(total));
}

template <class T>
__global__ void log_sum_exp_backward_kernel(int64_t n, Axis axis, const T* x, const T* out,
                                            const T* grad, T* grad_x) {
  using A = Accumulate<T>;
  for (const int64_t i : grid_stride(n)) {
    const int64_t at = i / axis.inner / axis.length * axis.inner + i % axis.inner;
    grad_x[i] =
        T(static_cast<A>(grad[at]) * std::exp(static_cast<A>(x[i]) - static_cast<A>(out[at])));
  }
}

}  // namespace

void softmax_axis(ConstView x, const Axis& axis, bool log, View y, Stream stream) {
  check_along("softmax", x, axis, y);
  if (axis.numel() == 0) return;
  visit_compute(x.dtype, "softmax", [&]<class T>(T) {
    launch_rows(softmax_axis_kernel<T>, axis.rows(), lanes_of(axis), stream, axis, log, x.as<T>(),
                y.as<T>());
  });
}

void softmax_axis_backward(ConstView y, ConstView grad_y, const Axis& axis, bool log, View grad_x,
                           Stream stream) {
  check_along("softmax_backward", y, axis, grad_y);
  check_along("softmax_backward", y, axis, grad_x);
  if (axis.numel() == 0) return;
  visit_compute(y.dtype, "softmax_backward", [&]<class T>(T) {
    launch_rows(softmax_axis_backward_kernel<T>, axis.rows(), lanes_of(axis), stream, axis, log,
                y.as<T>(), grad_y.as<T>(), grad_x.as<T>());
  });
}

void log_sum_exp_axis(ConstView x, const Axis& axis, View out, Stream stream) {
  check_log_sum_exp(x, axis, out);
  visit_compute(x.dtype, "log_sum_exp", [&]<class T>(T) {
    launch_rows(log_sum_exp_kernel<T>, axis.rows(), lanes_of(axis), stream, axis, x.as<T>(),
                out.as<T>());
  });
}

void log_sum_exp_axis_backward(ConstView x, ConstView out, ConstView grad, const Axis& axis,
                               View grad_x, Stream stream) {
  check_log_sum_exp(x, axis, out);
  check_log_sum_exp(x, axis, grad);
  check_along("log_sum_exp_backward", x, axis, grad_x);
  visit_compute(x.dtype, "log_sum_exp_backward", [&]<class T>(T) {
    launch_1d(log_sum_exp_backward_kernel<T>, axis.numel(), stream, axis, x.as<T>(), out.as<T>(),
              grad.as<T>(), grad_x.as<T>());
  });
}

}  // namespace kestrel::gpu
