#pragma once

#include <vector>

#include <kestrel/autograd/variable.h>

/// Operators that move values and change none.
namespace kestrel::autograd {

/// The same memory under another shape; one size may be -1 and is worked out.
Variable reshape(const Variable& x, const Shape& shape);

/// Rows [begin, end) of the leading dimension; shares memory.
Variable slice(const Variable& x, int64_t begin, int64_t end);

/// Indices [begin, end) of dimension `dim` (negative counts from the end), all of the others.
Variable narrow(const Variable& x, int dim, int64_t begin, int64_t end);

/// Joins along dimension `dim` (negative counts from the end); all other sizes and dtypes agree.
Variable concat(const std::vector<Variable>& parts, int dim);

/// Rows indices[i] of x (n, ...): (m, ...). indices: int64 (m), each in [0, n). A row may be taken
/// more than once; its gradients are then added in the order of the indices.
Variable gather_rows(const Variable& x, const Tensor& indices);

/// x in another floating dtype; its gradient comes back in the dtype of x.
Variable cast(const Variable& x, DType dtype);

}  // namespace kestrel::autograd
