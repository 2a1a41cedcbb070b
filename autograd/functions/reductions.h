#pragma once

#include <vector>

#include <kestrel/autograd/variable.h>

/// Reductions along dimensions; negative ones count from the end. A dimension that is reduced has
/// size 1 afterwards where `keep_dims`, else it is gone.
namespace kestrel::autograd {

/// Sum of all elements, of shape (); accumulated in double.
Variable sum(const Variable& x);
Variable sum(const Variable& x, const std::vector<int>& dims, bool keep_dims = false);
/// Mean of all elements, of shape (); NaN where there are none.
Variable mean(const Variable& x);
Variable mean(const Variable& x, const std::vector<int>& dims, bool keep_dims = false);

struct Extremes {
  Variable values;
  Tensor indices;  ///< int64; of the first where several are equal. The gradient goes there.
};
/// Along a dimension that is not empty; NaN is larger, and smaller, than everything.
Extremes max(const Variable& x, int dim, bool keep_dims = false);
Extremes min(const Variable& x, int dim, bool keep_dims = false);
Tensor argmax(const Tensor& x, int dim, bool keep_dims = false);
Tensor argmin(const Tensor& x, int dim, bool keep_dims = false);

/// log(sum(exp(x))), without overflow.
Variable log_sum_exp(const Variable& x, int dim, bool keep_dims = false);
/// exp(x) / sum(exp(x)) along a dimension.
Variable softmax(const Variable& x, int dim = -1);
Variable log_softmax(const Variable& x, int dim = -1);

/// x[0] + ... + x[i] for every i of a dimension.
Variable cumulative_sum(const Variable& x, int dim);

}  // namespace kestrel::autograd
