#pragma once

#include <kestrel/autograd/variable.h>
#include <kestrel/kernels/focal_loss.h>

namespace kestrel::autograd {

/// Sigmoid focal loss, summed and scaled: (). logits hold n * C numbers in any shape; labels (n)
/// int64 with C for background and -1 for ignored rows; weights (n), or undefined. The gradient is
/// computed with the loss. avg_factor () float64 divides the result, or is undefined. See
/// kernels/focal_loss.h.
Variable focal_loss(const Variable& logits, const Tensor& labels, const Tensor& weights = {},
                    const FocalLossParams& params = {}, const Tensor& avg_factor = {});

}  // namespace kestrel::autograd
