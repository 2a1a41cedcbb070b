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

/// Dimension i of the result is dimension order[i] of x.
Variable permute(const Variable& x, const std::vector<int>& order);
/// Two dimensions exchanged.
Variable transpose(const Variable& x, int a, int b);

/// x repeated along dimensions of size 1, and along new ones in front, to fill `shape`.
Variable expand(const Variable& x, const Shape& shape);

/// `before` and `after` more elements of dimension `dim`, all of them `value`.
struct Padding {
  int dim;
  int64_t before, after;
};
Variable pad(const Variable& x, const std::vector<Padding>& paddings, double value = 0);

/// Rows indices[i] of x (n, ...): (m, ...). indices: int64 (m), each in [0, n). A row may be taken
/// more than once; its gradients are then added in the order of the indices.
Variable gather_rows(const Variable& x, const Tensor& indices);

/// Slices indices[i] of dimension `dim`; indices: int64 (m). The rest as in gather_rows.
Variable index_select(const Variable& x, int dim, const Tensor& indices);

/// y[..., i, ...] = x[..., indices[..., i, ...], ...] along dimension `dim`: PyTorch's gather.
/// indices: int64, of the shape of x but for that dimension.
Variable gather(const Variable& x, int dim, const Tensor& indices);

/// x in another floating dtype; its gradient comes back in the dtype of x.
Variable cast(const Variable& x, DType dtype);

}  // namespace kestrel::autograd
