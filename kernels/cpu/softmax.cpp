#include <kestrel/kernels/reduce.h>

#include <kestrel/kernels/cpu/simd_targets.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kestrel/kernels/cpu/softmax.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <kestrel/kernels/cpu/lanes-inl.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include <kestrel/kernels/common/reduce_checks.h>
#include <kestrel/kernels/parallel.h>

HWY_BEFORE_NAMESPACE();
namespace kestrel::cpu::HWY_NAMESPACE {

/// What is reduced at once: a row, with its neighbours in the lanes (`across`), or as many
/// neighbouring rows as there are lanes, each in one.
struct Unit {
  int64_t begin;          ///< Of the first lane, in elements.
  int64_t stride, steps;  ///< Between vectors; how many there are.
  int64_t width;          ///< Elements of the row, or rows.
  int64_t reduced;        ///< Of the first lane, in a reduced tensor.
  bool across;

  /// Lanes of a step that are elements.
  HWY_INLINE int64_t valid(int64_t step) const { return across ? width - step * kLanes : width; }
  template <class T>
  HWY_INLINE Lanes load(const T* from, int64_t step) const {
    return LoadFloat(from + begin + step * stride, valid(step));
  }
  template <class T>
  HWY_INLINE Lanes load_or(const T* from, int64_t step, float filler) const {
    const int64_t count = valid(step);
    const FloatTag d;
    const auto value = LoadFloat(from + begin + step * stride, count);
    if (count >= kLanes) return value;
    return hn::IfThenElse(hn::FirstN(d, static_cast<size_t>(count)), value, hn::Set(d, filler));
  }
  template <class T>
  HWY_INLINE void store(Lanes value, T* to, int64_t step) const {
    StoreFloat(value.v, to + begin + step * stride, valid(step));
  }
  /// A value of the reduced tensor in every lane that needs it.
  template <class T>
  HWY_INLINE Lanes load_reduced(const T* from) const {
    if (across) return Lanes(static_cast<double>(static_cast<float>(from[reduced])));
    return LoadFloat(from + reduced, width);
  }
  template <class T>
  HWY_INLINE void store_reduced(Lanes value, T* to) const {
    StoreFloat(value.v, to + reduced, across ? 1 : width);
  }
  HWY_INLINE Lanes sum(Lanes x) const {
    return across ? Lanes(hn::SumOfLanes(FloatTag(), x.v)) : x;
  }
  HWY_INLINE Lanes largest(Lanes x) const {
    return across ? Lanes(hn::MaxOfLanes(FloatTag(), x.v)) : x;
  }
};

/// Calls f for the units of rows [begin, end), of which all or none of an outer index are asked
/// for where inner is not 1.
template <class F>
HWY_INLINE void for_units(const Axis& axis, int64_t begin, int64_t end, F f) {
  if (axis.inner == 1) {
    for (int64_t row = begin; row < end; ++row) {
      f(Unit{.begin = row * axis.length,
             .stride = kLanes,
             .steps = (axis.length + kLanes - 1) / kLanes,
             .width = axis.length,
             .reduced = row,
             .across = true});
    }
    return;
  }
  for (int64_t row = begin; row < end;) {
    const int64_t column = row % axis.inner;
    const int64_t width = std::min({kLanes, axis.inner - column, end - row});
    f(Unit{.begin = axis.begin(row),
           .stride = axis.inner,
           .steps = axis.length,
           .width = width,
           .reduced = row,
           .across = false});
    row += width;
  }
}

template <class T>
HWY_INLINE Lanes largest_of(const Unit& unit, const T* x) {
  const float none = -std::numeric_limits<float>::infinity();
  Lanes largest(-std::numeric_limits<double>::infinity());
  for (int64_t i = 0; i < unit.steps; ++i) {
    largest = hn::Max(largest.v, unit.load_or(x, i, none).v);
  }
  return unit.largest(largest);
}

template <class T>
void softmax_units(const T* x, const Axis& axis, bool log, T* y, int64_t begin, int64_t end,
                   float* values) {
  const FloatTag d;
  const float none = -std::numeric_limits<float>::infinity();
  for_units(axis, begin, end, [&](const Unit& unit) {
    const Lanes top = largest_of(unit, x);
    Lanes total(0);
    for (int64_t i = 0; i < unit.steps; ++i) {
      const Lanes value = unit.load_or(x, i, none) - top;
      const Lanes e = HWY_NAMESPACE::exp(value);
      hn::StoreU((log ? value : e).v, d, values + i * kLanes);
      total = total + e;
    }
    total = unit.sum(total);
    const Lanes shift = HWY_NAMESPACE::log(total), scale = Lanes(1) / total;
    for (int64_t i = 0; i < unit.steps; ++i) {
      const Lanes value = hn::LoadU(d, values + i * kLanes);
      unit.store(log ? value - shift : value * scale, y, i);
    }
  });
}

template <class T>
void softmax_backward_units(const T* y, const T* grad, const Axis& axis, bool log, T* grad_x,
                            int64_t begin, int64_t end) {
  for_units(axis, begin, end, [&](const Unit& unit) {
    Lanes total(0);
    for (int64_t i = 0; i < unit.steps; ++i) {
      const Lanes g = unit.load(grad, i);
      total = total + (log ? g : g * unit.load(y, i));
    }
    total = unit.sum(total);
    for (int64_t i = 0; i < unit.steps; ++i) {
      const Lanes g = unit.load(grad, i), value = unit.load(y, i);
      unit.store(log ? g - HWY_NAMESPACE::exp(value) * total : value * (g - total), grad_x, i);
    }
  });
}

template <class T>
void log_sum_exp_units(const T* x, const Axis& axis, T* out, int64_t begin, int64_t end) {
  const float none = -std::numeric_limits<float>::infinity();
  for_units(axis, begin, end, [&](const Unit& unit) {
    const Lanes top = largest_of(unit, x);
    const Lanes finite = select(abs(top) <= Lanes(hwy::HighestValue<float>()), top, Lanes(0));
    Lanes total(0);
    for (int64_t i = 0; i < unit.steps; ++i) {
      total = total + HWY_NAMESPACE::exp(unit.load_or(x, i, none) - finite);
    }
    unit.store_reduced(finite + HWY_NAMESPACE::log(unit.sum(total)), out);
  });
}

template <class T>
void log_sum_exp_backward_units(const T* x, const T* out, const T* grad, const Axis& axis,
                                T* grad_x, int64_t begin, int64_t end) {
  for_units(axis, begin, end, [&](const Unit& unit) {
    const Lanes total = unit.load_reduced(out), g = unit.load_reduced(grad);
    for (int64_t i = 0; i < unit.steps; ++i) {
      unit.store(g * HWY_NAMESPACE::exp(unit.load(x, i) - total), grad_x, i);
    }
  });
}

// Highway dispatches functions, not templates.

void softmax_float(const float* x, const Axis& axis, bool log, float* y, int64_t begin, int64_t end,
                   float* values) {
  softmax_units(x, axis, log, y, begin, end, values);
}
void softmax_bfloat16(const bfloat16* x, const Axis& axis, bool log, bfloat16* y, int64_t begin,
                      int64_t end, float* values) {
  softmax_units(x, axis, log, y, begin, end, values);
}
void softmax_backward_float(const float* y, const float* grad, const Axis& axis, bool log,
                            float* grad_x, int64_t begin, int64_t end) {
  softmax_backward_units(y, grad, axis, log, grad_x, begin, end);
}
void softmax_backward_bfloat16(const bfloat16* y, const bfloat16* grad, const Axis& axis, bool log,
                               bfloat16* grad_x, int64_t begin, int64_t end) {
  softmax_backward_units(y, grad, axis, log, grad_x, begin, end);
}
void log_sum_exp_float(const float* x, const Axis& axis, float* out, int64_t begin, int64_t end) {
  log_sum_exp_units(x, axis, out, begin, end);
}
void log_sum_exp_bfloat16(const bfloat16* x, const Axis& axis, bfloat16* out, int64_t begin,
                          int64_t end) {
  log_sum_exp_units(x, axis, out, begin, end);
}
void log_sum_exp_backward_float(const float* x, const float* out, const float* grad,
                                const Axis& axis, float* grad_x, int64_t begin, int64_t end) {
  log_sum_exp_backward_units(x, out, grad, axis, grad_x, begin, end);
}
void log_sum_exp_backward_bfloat16(const bfloat16* x, const bfloat16* out, const bfloat16* grad,
                                   const Axis& axis, bfloat16* grad_x, int64_t begin, int64_t end) {
  log_sum_exp_backward_units(x, out, grad, axis, grad_x, begin, end);
}

}  // namespace kestrel::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kestrel::cpu {

HWY_EXPORT(softmax_float);
HWY_EXPORT(softmax_bfloat16);
HWY_EXPORT(softmax_backward_float);
HWY_EXPORT(softmax_backward_bfloat16);
HWY_EXPORT(log_sum_exp_float);
HWY_EXPORT(log_sum_exp_bfloat16);
HWY_EXPORT(log_sum_exp_backward_float);
HWY_EXPORT(log_sum_exp_backward_bfloat16);

namespace {

/// The plain rows of float64.
double largest_of(const double* x, const Axis& axis) {
  double largest = -std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < axis.length; ++i) largest = std::max(largest, x[i * axis.inner]);
  return largest;
}

void softmax_row(const double* x, const Axis& axis, bool log, double* y) {
  const double top = largest_of(x, axis);
  double total = 0;
  for (int64_t i = 0; i < axis.length; ++i) total += std::exp(x[i * axis.inner] - top);
  for (int64_t i = 0; i < axis.length; ++i) {
    const double value = x[i * axis.inner] - top;
    y[i * axis.inner] = log ? value - std::log(total) : std::exp(value) / total;
  }
}

void softmax_backward_row(const double* y, const double* grad, const Axis& axis, bool log,
                          double* grad_x) {
  double total = 0;
  for (int64_t i = 0; i < axis.length; ++i) {
    total += grad[i * axis.inner] * (log ? 1 : y[i * axis.inner]);
  }
  for (int64_t i = 0; i < axis.length; ++i) {
    const double value = y[i * axis.inner], g = grad[i * axis.inner];
    grad_x[i * axis.inner] = log ? g - std::exp(value) * total : value * (g - total);
  }
}

double log_sum_exp_row(const double* x, const Axis& axis) {
  const double top = largest_of(x, axis), finite = std::isfinite(top) ? top : 0;
  double total = 0;
  for (int64_t i = 0; i < axis.length; ++i) total += std::exp(x[i * axis.inner] - finite);
  return finite + std::log(total);
}

/// Calls f(begin, end) for rows of the axis, on several threads.
template <class F>
void for_rows(const Axis& axis, F f) {
  constexpr int64_t kWork = 1 << 13;
  const int64_t rows = std::max<int64_t>(1, kWork / std::max<int64_t>(1, axis.length));
  parallel_for(axis.rows(), (rows + 15) / 16 * 16, f);
}

}  // namespace

void softmax_axis(ConstView x, const Axis& axis, bool log, View y) {
  check_along("softmax", x, axis, y);
  visit_compute(x.dtype, "softmax", [&]<class T>(T) {
    const T* from = x.as<T>();
    T* to = y.as<T>();
    for_rows(axis, [&](int64_t begin, int64_t end) {
      if constexpr (std::is_same_v<T, double>) {
        for (int64_t row = begin; row < end; ++row) {
          softmax_row(from + axis.begin(row), axis, log, to + axis.begin(row));
        }
      } else {
        const int64_t room = axis.inner == 1 ? axis.length + 16 : axis.length * 16;
        std::vector<float> values(static_cast<size_t>(room));
        if constexpr (std::is_same_v<T, float>) {
          HWY_DYNAMIC_DISPATCH(softmax_float)(from, axis, log, to, begin, end, values.data());
        } else {
          HWY_DYNAMIC_DISPATCH(softmax_bfloat16)(from, axis, log, to, begin, end, values.data());
        }
      }
    });
  });
}

void softmax_axis_backward(ConstView y, ConstView grad_y, const Axis& axis, bool log, View grad_x) {
  check_along("softmax_backward", y, axis, grad_y);
  check_along("softmax_backward", y, axis, grad_x);
  visit_compute(y.dtype, "softmax_backward", [&]<class T>(T) {
    const T* at = y.as<T>();
    const T* grad = grad_y.as<T>();
    T* to = grad_x.as<T>();
    for_rows(axis, [&](int64_t begin, int64_t end) {
      if constexpr (std::is_same_v<T, double>) {
        for (int64_t row = begin; row < end; ++row) {
          const int64_t i = axis.begin(row);
          softmax_backward_row(at + i, grad + i, axis, log, to + i);
        }
      } else if constexpr (std::is_same_v<T, float>) {
        HWY_DYNAMIC_DISPATCH(softmax_backward_float)(at, grad, axis, log, to, begin, end);
      } else {
        HWY_DYNAMIC_DISPATCH(softmax_backward_bfloat16)(at, grad, axis, log, to, begin, end);
      }
    });
  });
}

void log_sum_exp_axis(ConstView x, const Axis& axis, View out) {
  check_log_sum_exp(x, axis, out);
  visit_compute(x.dtype, "log_sum_exp", [&]<class T>(T) {
    const T* from = x.as<T>();
    T* to = out.as<T>();
    for_rows(axis, [&](int64_t begin, int64_t end) {
      if constexpr (std::is_same_v<T, double>) {
        for (int64_t row = begin; row < end; ++row) {
          to[row] = log_sum_exp_row(from + axis.begin(row), axis);
        }
      } else if constexpr (std::is_same_v<T, float>) {
        HWY_DYNAMIC_DISPATCH(log_sum_exp_float)(from, axis, to, begin, end);
      } else {
        HWY_DYNAMIC_DISPATCH(log_sum_exp_bfloat16)(from, axis, to, begin, end);
      }
    });
  });
}

void log_sum_exp_axis_backward(ConstView x, ConstView out, ConstView grad, const Axis& axis,
                               View grad_x) {
  check_log_sum_exp(x, axis, out);
  check_log_sum_exp(x, axis, grad);
  check_along("log_sum_exp_backward", x, axis, grad_x);
  visit_compute(x.dtype, "log_sum_exp_backward", [&]<class T>(T) {
    const T* from = x.as<T>();
    const T* total = out.as<T>();
    const T* g = grad.as<T>();
    T* to = grad_x.as<T>();
    for_rows(axis, [&](int64_t begin, int64_t end) {
      if constexpr (std::is_same_v<T, double>) {
        for (int64_t row = begin; row < end; ++row) {
          for (int64_t i = 0; i < axis.length; ++i) {
            const int64_t at = axis.begin(row) + i * axis.inner;
            to[at] = g[row] * std::exp(from[at] - total[row]);
          }
        }
      } else if constexpr (std::is_same_v<T, float>) {
        HWY_DYNAMIC_DISPATCH(log_sum_exp_backward_float)(from, total, g, axis, to, begin, end);
      } else {
        HWY_DYNAMIC_DISPATCH(log_sum_exp_backward_bfloat16)(from, total, g, axis, to, begin, end);
      }
    });
  });
}

}  // namespace kestrel::cpu
#endif
