#pragma once

#include <kestrel/kernels/view.h>

/// What rows.h demands of its operands, checked for every device.
namespace kestrel {

/// Elements of one row of the leading dimension.
inline int64_t row_length(ConstView x) {
  return x.shape.stride(0);
}

/// `few` has a row for each index, `many` the rows that indices name.
inline void check_rows(const char* op, ConstView many, ConstView indices, ConstView few) {
  KESTREL_CHECK(indices.dtype == DType::Int64 && indices.shape.dims() == 1, "[", op,
                "] indices must be int64 (m), got ", indices.dtype, indices.shape);
  KESTREL_CHECK(many.shape.dims() >= 1 && few.shape.dims() >= 1 && many.dtype == few.dtype &&
                    few.size(0) == indices.numel() && row_length(many) == row_length(few),
                "[", op, "] ", indices.numel(), " rows of ", many.dtype, many.shape,
                " do not make ", few.dtype, few.shape);
}

}  // namespace kestrel
