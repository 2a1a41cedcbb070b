#pragma once

#include <kestrel/kernels/gather.h>

/// What gather.h demands of its operands, checked for every device.
namespace kestrel {

/// Places taken of each row. `many` is seen as the axis, `few` has a value for each index.
inline int64_t check_gather(const char* op, ConstView many, ConstView indices, const Axis& axis,
                            ConstView few) {
  const int64_t count = axis.rows() ? indices.numel() / axis.rows() : 0;
  KESTREL_CHECK(indices.dtype == DType::Int64 && indices.numel() == count * axis.rows(), "[", op,
                "] indices must be int64 (", axis.outer, ", count, ", axis.inner, "), got ",
                indices.dtype, indices.shape);
  KESTREL_CHECK(
      many.numel() == axis.numel() && few.numel() == indices.numel() && many.dtype == few.dtype,
      "[", op, "] ", indices.numel(), " values of ", many.dtype, many.shape, " do not make ",
      few.dtype, few.shape);
  return count;
}

/// Calls f(T{}) with the type of sums.
template <class F>
void visit_scatter(DType dtype, F&& f) {
  KESTREL_CHECK(dtype == DType::Float32 || dtype == DType::Float64,
                "[scatter_add] sums float32 or float64, got ", dtype);
  if (dtype == DType::Float32) {
    f(float{});
  } else {
    f(double{});
  }
}

}  // namespace kestrel
