#pragma once

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Sigmoid focal loss (Lin et al. 2017) from logits.
namespace kestrel {

struct FocalLossParams {
  double alpha = 0.25;  ///< Weight of the positive class; negatives have 1 - alpha.
  double gamma = 2.0;   ///< Exponent of the modulating factor; at least 0.
  double scale = 1.0;   ///< Of the result.
};

namespace cpu {

/// loss () = scale / avg_factor * sum over rows and classes, and grad = d loss / d logits in the
/// same pass. logits (n, C) float32, float64 or bfloat16, of any shape with n * C elements; labels
/// (n) int64: a class, C for background (all classes negative), -1 for a row that does not count
/// and whose gradient is zero even where its logits are NaN; weights (n) of loss's dtype, or
/// absent; avg_factor () float64, or absent for 1; loss float32, or float64 for float64 logits;
/// grad of the logits' shape and dtype, or absent. Logs are exact in their tails, where MMDetection
/// clamps probabilities at FLT_MIN. A NaN logit that counts makes the loss NaN. Sums in double over
/// fixed chunks: deterministic. Throws where a label is not in [-1, C]; the GPU does not, and there
/// the loss and the row's gradient are NaN.
void focal_loss(ConstView logits, ConstView labels, ConstView weights,
                const FocalLossParams& params, ConstView avg_factor, View loss, View grad);

}  // namespace cpu
namespace gpu {

void focal_loss(ConstView logits, ConstView labels, ConstView weights,
                const FocalLossParams& params, ConstView avg_factor, View loss, View grad,
                Stream stream);

}  // namespace gpu
}  // namespace kestrel
