#pragma once

#include <kestrel/kernels/focal_loss.h>

namespace kestrel {

/// Returns the number of classes.
inline int64_t check_focal_loss(const ConstView& logits, const ConstView& labels,
                                const ConstView& weights, const FocalLossParams& params,
                                const ConstView& grad) {
  const int64_t n = labels.numel();
  const int64_t classes = n == 0 ? 0 : logits.numel() / n;
  KESTREL_CHECK(n * classes == logits.numel(), "[focal_loss] ", logits.shape,
                " logits do not divide into ", n, " labelled rows");
  KESTREL_CHECK(params.gamma >= 0, "[focal_loss] gamma must be at least 0, got ", params.gamma);
  KESTREL_CHECK(!weights || weights.numel() == n, "[focal_loss] ", weights.numel(), " weights for ",
                n, " rows");
  KESTREL_CHECK(!grad || (grad.numel() == logits.numel() && grad.dtype == logits.dtype),
                "[focal_loss] gradient is ", grad.dtype, grad.shape, ", logits are ", logits.dtype,
                logits.shape);
  return classes;
}

}  // namespace kestrel
