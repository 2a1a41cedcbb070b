#pragma once

#include <kestrel/autograd/variable.h>

namespace kestrel::autograd {

/// A convolution's weight and bias that do the work of the batch normalisation with fixed
/// statistics after it.
struct FoldedBatchNorm {
  Variable weight;  ///< weight * gamma / sqrt(var + eps), like weight.
  Variable bias;    ///< (O): beta - mean * gamma / sqrt(var + eps).
};

/// weight (O, kh, kw, I); gamma, beta, mean, var (O). Differentiable in weight, gamma and beta, at
/// the cost of the weights' size rather than of the feature map's.
FoldedBatchNorm fold_batch_norm(const Variable& weight, const Variable& gamma, const Variable& beta,
                                const Tensor& mean, const Tensor& var, double eps);

}  // namespace kestrel::autograd
