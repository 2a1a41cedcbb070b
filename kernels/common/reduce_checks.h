#pragma once

#include <kestrel/kernels/reduce.h>

/// What reduce.h demands of its operands, checked for every device.
namespace kestrel {

inline void check_whole(const char* op, ConstView x, const Axis& axis, DType dtype) {
  KESTREL_CHECK(x.numel() == axis.numel() && x.dtype == dtype, "[", op, "] ", x.dtype, x.shape,
                " is not ", dtype, " (", axis.outer, ", ", axis.length, ", ", axis.inner, ")");
}

inline void check_reduced(const char* op, ConstView x, const Axis& axis, DType dtype) {
  KESTREL_CHECK(x.numel() == axis.rows() && x.dtype == dtype, "[", op, "] ", x.dtype, x.shape,
                " is not ", dtype, " (", axis.outer, ", ", axis.inner, ")");
}

inline void check_sum(ConstView x, const Axis& axis, ConstView out) {
  check_whole("sum", x, axis, x.dtype);
  check_reduced("sum", out, axis,
                x.dtype == DType::BFloat16 && out.dtype == DType::Float32 ? out.dtype : x.dtype);
}

inline void check_extreme(ConstView x, const Axis& axis, ConstView values, ConstView indices) {
  check_whole("extreme", x, axis, x.dtype);
  if (values) check_reduced("extreme", values, axis, x.dtype);
  if (indices) check_reduced("extreme", indices, axis, DType::Int64);
  KESTREL_CHECK(axis.length > 0 || axis.rows() == 0,
                "[extreme] nothing has no largest and no smallest value");
}

inline void check_extreme_backward(ConstView indices, ConstView grad, const Axis& axis,
                                   ConstView grad_x) {
  check_reduced("extreme_backward", indices, axis, DType::Int64);
  check_reduced("extreme_backward", grad, axis, grad.dtype);
  check_whole("extreme_backward", grad_x, axis, grad.dtype);
}

inline void check_log_sum_exp(ConstView x, const Axis& axis, ConstView out) {
  check_whole("log_sum_exp", x, axis, x.dtype);
  check_reduced("log_sum_exp", out, axis, x.dtype);
}

inline void check_along(const char* op, ConstView x, const Axis& axis, ConstView y) {
  check_whole(op, x, axis, x.dtype);
  check_whole(op, y, axis, x.dtype);
}

/// Calls f(T{}, Out{}) with the types of a sum's operand and result.
template <class F>
void visit_sum(DType x, DType out, F&& f) {
  visit_compute(x, "sum", [&]<class T>(T) {
    if (out == dtype_of<T>) {
      f(T{}, T{});
    } else {
      f(T{}, float{});
    }
  });
}

}  // namespace kestrel
