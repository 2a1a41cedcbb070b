#include <kestrel/kernels/reduce.h>

#include <kestrel/kernels/common/extreme.h>
#include <kestrel/kernels/common/reduce_checks.h>
#include <kestrel/kernels/copy.h>
#include <kestrel/kernels/cuda/axis_rows.h>
#include <kestrel/kernels/cuda/data_or_null.h>

namespace kestrel::gpu {
namespace {

/// Elements of a row after which a sum is put aside, so that long rows keep the device busy: fixed,
/// so that the order of additions is.
constexpr int64_t kRowPiece = 2048, kColumnPiece = 256;
/// Rows that keep it busy whatever their length.
constexpr int64_t kManyRows = 1 << 16;

int64_t piece_of(const Axis& axis) {
  if (axis.rows() >= kManyRows) return axis.length;
  return std::min(axis.length, axis.inner == 1 ? kRowPiece : kColumnPiece);
}

/// out (outer, pieces, inner) = scale * sums of `piece` elements of x.
template <class T, class Out>
__global__ void sum_axis_kernel(int64_t rows, int lanes, Axis axis, int64_t piece, double scale,
                                const T* x, Out* out) {
  const AxisRow row(rows, lanes);
  double total = 0;
  if (row.exists) {
    const int64_t pieces = rows / axis.rows();
    const int64_t column = row.index % axis.inner, line = row.index / axis.inner;
    const int64_t first = line % pieces * piece;
    const int64_t last = axis.length - first < piece ? axis.length : first + piece;
    const T* from = x + line / pieces * axis.length * axis.inner + column;
    for (int64_t i = first + row.lane; i < last; i += lanes) {
      total += static_cast<double>(static_cast<Accumulate<T>>(from[i * axis.inner]));
    }
  }
  total = group_reduce<Sum>(total, lanes);
  if (row.exists && row.lane == 0) {
    out[row.index] = Out(static_cast<Accumulate<Out>>(total * scale));
  }
}

template <class T, class Out>
void sum_pieces(const T* x, const Axis& axis, double scale, Out* out, Stream stream) {
  const int64_t piece = piece_of(axis);
  const int64_t pieces = piece == axis.length ? 1 : (axis.length + piece - 1) / piece;
  const int lanes = axis.inner == 1 ? lanes_per_row(piece) : 1;
  if (pieces == 1) {
    launch_rows(sum_axis_kernel<T, Out>, axis.rows(), lanes, stream, axis, piece, scale, x, out);
    return;
  }
  const Scratch<double> sums(pieces * axis.rows(), stream);
  launch_rows(sum_axis_kernel<T, double>, pieces * axis.rows(), lanes, stream, axis, piece, 1.0, x,
              sums.get());
  sum_pieces<double, Out>(sums.get(), {axis.outer, pieces, axis.inner}, scale, out, stream);
}

/// Either output may be null.
template <class T>
__global__ void extreme_kernel(int64_t rows, int lanes, Axis axis, bool largest, const T* x,
                               T* values, int64_t* indices) {
  using A = Accumulate<T>;
  const AxisRow row(rows, lanes);
  // A lane without an element repeats the row's first one.
  Extreme<A> best = {};
  if (row.exists) {
    const T* from = x + axis.begin(row.index);
    best = {static_cast<A>(from[0]), 0};
    if (row.lane < axis.length) {
      best = {static_cast<A>(from[row.lane * axis.inner]), row.lane};
    }
    for (int64_t i = row.lane + lanes; i < axis.length; i += lanes) {
      const A value = static_cast<A>(from[i * axis.inner]);
      if (exceeds(value, best.value, largest)) best = {value, i};
    }
  }
  for (int step = lanes / 2; step > 0; step /= 2) {
    const Extreme<A> other = {__shfl_xor_sync(kFullWarp, best.value, step),
                              __shfl_xor_sync(kFullWarp, best.index, step)};
    best = first_extreme(best, other, largest);
  }
  if (row.exists && row.lane == 0) {
    if (values) values[row.index] = T(best.value);
    if (indices) indices[row.index] = best.index;
  }
}

template <class T>
__global__ void extreme_backward_kernel(int64_t n, Axis axis, const int64_t* indices, const T* grad,
                                        T* grad_x) {
  for (const int64_t i : grid_stride(n)) {
    const int64_t line = i / axis.inner;
    const int64_t at = line / axis.length * axis.inner + i % axis.inner;
    grad_x[i] = indices[at] == line % axis.length ? grad[at] : T(0);
  }
}

/// A thread for each row.
template <class T>
__global__ void cumulative_sum_kernel(int64_t n, Axis axis, bool reversed, const T* x, T* y) {
  for (const int64_t row : grid_stride(n)) {
    double total = 0;
    for (int64_t i = 0; i < axis.length; ++i) {
      const int64_t place = reversed ? axis.length - 1 - i : i;
      const int64_t at = axis.begin(row) + place * axis.inner;
      total += static_cast<double>(static_cast<Accumulate<T>>(x[at]));
      y[at] = T(static_cast<Accumulate<T>>(total));
    }
  }
}

}  // namespace

void sum_axis(ConstView x, const Axis& axis, double scale, View out, Stream stream) {
  check_sum(x, axis, out);
  if (axis.rows() == 0) return;
  visit_sum(x.dtype, out.dtype, [&]<class T, class Out>(T, Out) {
    sum_pieces(x.as<T>(), axis, scale, out.as<Out>(), stream);
  });
}

void extreme_axis(ConstView x, const Axis& axis, bool largest, View values, View indices,
                  Stream stream) {
  check_extreme(x, axis, values, indices);
  visit_compute(x.dtype, "extreme", [&]<class T>(T) {
    launch_rows(extreme_kernel<T>, axis.rows(), lanes_of(axis), stream, axis, largest, x.as<T>(),
                data_or_null<T>(values), data_or_null<int64_t>(indices));
  });
}

void extreme_axis_backward(ConstView indices, ConstView grad, const Axis& axis, View grad_x,
                           Stream stream) {
  check_extreme_backward(indices, grad, axis, grad_x);
  visit_compute(grad.dtype, "extreme_backward", [&]<class T>(T) {
    launch_1d(extreme_backward_kernel<T>, axis.numel(), stream, axis, indices.as<int64_t>(),
              grad.as<T>(), grad_x.as<T>());
  });
}

void cumulative_sum_axis(ConstView x, const Axis& axis, bool reversed, View y, Stream stream) {
  check_along("cumulative_sum", x, axis, y);
  if (axis.numel() == 0) return;
  visit_compute(x.dtype, "cumulative_sum", [&]<class T>(T) {
    launch_1d(cumulative_sum_kernel<T>, axis.rows(), stream, axis, reversed, x.as<T>(), y.as<T>());
  });
}

}  // namespace kestrel::gpu
