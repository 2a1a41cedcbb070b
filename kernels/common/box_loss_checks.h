#pragma once

#include <kestrel/kernels/box_loss.h>

namespace kestrel {

inline void check_box_loss(const ConstView& pred, const ConstView& target, const ConstView& weights,
                           const BoxLossParams& params, const ConstView& grad) {
  const int64_t n = pred.size(0);
  KESTREL_CHECK(pred.shape == Shape({n, 4}) && target.shape == pred.shape,
                "[box_loss] predictions and targets must be (n, 4), got ", pred.shape, " and ",
                target.shape);
  KESTREL_CHECK(!weights || weights.numel() == n, "[box_loss] ", weights.numel(), " weights for ",
                n, " rows");
  KESTREL_CHECK(!grad || grad.shape == pred.shape, "[box_loss] gradient must be ", pred.shape,
                ", got ", grad.shape);
  KESTREL_CHECK(params.beta >= 0 && params.eps > 0,
                "[box_loss] beta must be at least 0 and eps above 0, got ", params.beta, " and ",
                params.eps);
}

}  // namespace kestrel
