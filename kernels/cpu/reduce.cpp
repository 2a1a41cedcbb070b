#include <kestrel/kernels/reduce.h>

#include <algorithm>
#include <vector>

#include <kestrel/kernels/common/extreme.h>
#include <kestrel/kernels/common/reduce_checks.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t kGrain = 1 << 15;
/// Columns that are summed side by side, and rows before the sums are put aside.
constexpr int64_t kColumns = 512, kRows = 1024;

/// Side by side: one sum would wait for itself.
template <class T>
double sum_of(const T* values, int64_t count) {
  constexpr int64_t kSums = 16;
  double sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= count; i += kSums) {
    for (int64_t k = 0; k < kSums; ++k) sums[k] += static_cast<double>(values[i + k]);
  }
  double total = 0;
  for (; i < count; ++i) total += static_cast<double>(values[i]);
  for (const double sum : sums) total += sum;
  return total;
}

template <class T, class Out>
Out scaled(double sum, double scale) {
  return Out(static_cast<Accumulate<Out>>(sum * scale));
}

/// inner == 1: rows of neighbours.
template <class T, class Out>
void sum_rows(const T* x, const Axis& axis, double scale, Out* out) {
  const int64_t pieces = std::max<int64_t>(1, (axis.length + kGrain - 1) / kGrain);
  if (pieces == 1) {
    const int64_t rows = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, axis.length));
    parallel_for(axis.outer, rows, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        out[i] = scaled<T, Out>(sum_of(x + i * axis.length, axis.length), scale);
      }
    });
    return;
  }
  std::vector<double> sums(static_cast<size_t>(axis.outer * pieces));
  parallel_for(axis.outer * pieces, 1, [&](int64_t i, int64_t) {
    const int64_t begin = i % pieces * kGrain;
    sums[static_cast<size_t>(i)] =
        sum_of(x + i / pieces * axis.length + begin, std::min(kGrain, axis.length - begin));
  });
  for (int64_t i = 0; i < axis.outer; ++i) {
    double total = 0;
    for (int64_t k = 0; k < pieces; ++k) total += sums[static_cast<size_t>(i * pieces + k)];
    out[i] = scaled<T, Out>(total, scale);
  }
}

/// inner > 1: whole rows are added to each other, in tasks of kRows rows by kColumns columns.
template <class T, class Out>
void sum_columns(const T* x, const Axis& axis, double scale, Out* out) {
  const int64_t pieces = std::max<int64_t>(1, (axis.length + kRows - 1) / kRows);
  const int64_t tiles = (axis.inner + kColumns - 1) / kColumns;
  const int64_t width = std::min(axis.inner, kColumns);
  std::vector<double> sums(static_cast<size_t>(pieces == 1 ? 0 : axis.outer * pieces * axis.inner));
  const int64_t task =
      std::max<int64_t>(1, kGrain / std::max<int64_t>(1, std::min(kRows, axis.length) * width));
  parallel_for(axis.outer * pieces * tiles, task, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t tile = i % tiles, piece = i / tiles % pieces, outer = i / tiles / pieces;
      const int64_t column = tile * kColumns, columns = std::min(kColumns, axis.inner - column);
      const int64_t end = std::min(axis.length, (piece + 1) * kRows);
      double totals[kColumns];
      std::fill(totals, totals + columns, 0.0);
      for (int64_t r = piece * kRows; r < end; ++r) {
        const T* row = x + (outer * axis.length + r) * axis.inner + column;
        for (int64_t c = 0; c < columns; ++c) totals[c] += static_cast<double>(row[c]);
      }
      if (pieces == 1) {
        Out* to = out + outer * axis.inner + column;
        for (int64_t c = 0; c < columns; ++c) to[c] = scaled<T, Out>(totals[c], scale);
      } else {
        std::copy(totals, totals + columns,
                  sums.data() + (outer * pieces + piece) * axis.inner + column);
      }
    }
  });
  if (pieces == 1) return;
  parallel_for(axis.rows(), kGrain / kRows, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double* from = sums.data() + i / axis.inner * pieces * axis.inner + i % axis.inner;
      double total = 0;
      for (int64_t k = 0; k < pieces; ++k) total += from[k * axis.inner];
      out[i] = scaled<T, Out>(total, scale);
    }
  });
}

/// Rows of an axis that make a task.
int64_t rows_per_task(const Axis& axis) {
  return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, axis.length));
}

}  // namespace

void sum_axis(ConstView x, const Axis& axis, double scale, View out) {
  check_sum(x, axis, out);
  if (axis.rows() == 0) return;
  visit_sum(x.dtype, out.dtype, [&]<class T, class Out>(T, Out) {
    if (axis.inner == 1) {
      sum_rows(x.as<T>(), axis, scale, out.as<Out>());
    } else {
      sum_columns(x.as<T>(), axis, scale, out.as<Out>());
    }
  });
}

void extreme_axis(ConstView x, const Axis& axis, bool largest, View values, View indices) {
  check_extreme(x, axis, values, indices);
  visit_compute(x.dtype, "extreme", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* from = x.as<T>();
    T* to = values ? values.as<T>() : nullptr;
    int64_t* to_index = indices ? indices.as<int64_t>() : nullptr;
    // Neighbouring columns side by side, as they lie in memory.
    constexpr int64_t kSide = 64;
    const int64_t tiles = (axis.inner + kSide - 1) / kSide;
    const int64_t task = std::max<int64_t>(
        1, rows_per_task(axis) / std::min(kSide, std::max<int64_t>(1, axis.inner)));
    parallel_for(axis.outer * tiles, task, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const int64_t outer = i / tiles, column = i % tiles * kSide;
        const int64_t columns = std::min(kSide, axis.inner - column);
        const T* row = from + outer * axis.length * axis.inner + column;
        Extreme<A> best[kSide];
        for (int64_t c = 0; c < columns; ++c) best[c] = {static_cast<A>(row[c]), 0};
        for (int64_t r = 1; r < axis.length; ++r) {
          row += axis.inner;
          for (int64_t c = 0; c < columns; ++c) {
            const A value = static_cast<A>(row[c]);
            if (exceeds(value, best[c].value, largest)) best[c] = {value, r};
          }
        }
        for (int64_t c = 0; c < columns; ++c) {
          const int64_t at = outer * axis.inner + column + c;
          if (to) to[at] = T(best[c].value);
          if (to_index) to_index[at] = best[c].index;
        }
      }
    });
  });
}

void extreme_axis_backward(ConstView indices, ConstView grad, const Axis& axis, View grad_x) {
  check_extreme_backward(indices, grad, axis, grad_x);
  visit_compute(grad.dtype, "extreme_backward", [&]<class T>(T) {
    const int64_t* index = indices.as<int64_t>();
    const T* from = grad.as<T>();
    T* to = grad_x.as<T>();
    const int64_t lines = axis.outer * axis.length;
    parallel_for(lines, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, axis.inner)),
                 [=](int64_t begin, int64_t end) {
                   for (int64_t line = begin; line < end; ++line) {
                     const int64_t at = line / axis.length * axis.inner, r = line % axis.length;
                     for (int64_t c = 0; c < axis.inner; ++c) {
                       to[line * axis.inner + c] = index[at + c] == r ? from[at + c] : T(0);
                     }
                   }
                 });
  });
}

void cumulative_sum_axis(ConstView x, const Axis& axis, bool reversed, View y) {
  check_along("cumulative_sum", x, axis, y);
  visit_compute(x.dtype, "cumulative_sum", [&]<class T>(T) {
    const T* from = x.as<T>();
    T* to = y.as<T>();
    parallel_for(axis.rows(), rows_per_task(axis), [=](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        double total = 0;
        for (int64_t i = 0; i < axis.length; ++i) {
          const int64_t place = reversed ? axis.length - 1 - i : i;
          const int64_t at = axis.begin(row) + place * axis.inner;
          total += static_cast<double>(from[at]);
          to[at] = T(static_cast<Accumulate<T>>(total));
        }
      }
    });
  });
}

}  // namespace kestrel::cpu
