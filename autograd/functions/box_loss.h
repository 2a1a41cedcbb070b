#pragma once

#include <kestrel/autograd/variable.h>
#include <kestrel/kernels/box_loss.h>

namespace kestrel::autograd {

/// A loss between boxes or deltas pred and target (n, 4), summed and scaled: (). weights (n), or
/// undefined. A bfloat16 pred is taken as float32. The gradient, of pred alone, is computed with
/// the loss. avg_factor () float64 divides the result, or is undefined. See kernels/box_loss.h.
Variable box_loss(const Variable& pred, const Tensor& target, const Tensor& weights = {},
                  const BoxLossParams& params = {}, const Tensor& avg_factor = {});

}  // namespace kestrel::autograd
