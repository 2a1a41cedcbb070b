#pragma once

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Losses between predicted and target boxes or deltas.
namespace kestrel {

enum class BoxLossKind : uint8_t {
  L1,         ///< |p - t|, over the four numbers.
  SmoothL1,   ///< d^2 / (2 beta) below beta, d - beta / 2 above (Girshick 2015).
  IouLog,     ///< -log(max(IoU, eps)).
  IouLinear,  ///< 1 - max(IoU, eps).
  IouSquare,  ///< 1 - max(IoU, eps)^2.
  GIoU,       ///< 1 - GIoU (Rezatofighi et al. 2019).
};

struct BoxLossParams {
  BoxLossKind kind = BoxLossKind::L1;
  double beta = 1.0;   ///< Of SmoothL1; 0 makes it L1.
  double eps = 1e-6;   ///< Least denominator of IoU and GIoU, and least IoU.
  double scale = 1.0;  ///< Of the result.
};

namespace cpu {

/// loss () = scale / avg_factor * sum over rows of weight * loss, and grad = d loss / d pred in the
/// same pass. pred and target (n, 4) float32 or float64 (boxes for the IoU kinds); weights (n) of
/// that dtype, or absent; a row with weight 0 does not count, whatever it holds; avg_factor ()
/// float64, or absent for 1; grad (n, 4) or absent. A NaN that counts makes the loss NaN. Sums in
/// double over fixed chunks: deterministic.
void box_loss(ConstView pred, ConstView target, ConstView weights, const BoxLossParams& params,
              ConstView avg_factor, View loss, View grad);

}  // namespace cpu
namespace gpu {

void box_loss(ConstView pred, ConstView target, ConstView weights, const BoxLossParams& params,
              ConstView avg_factor, View loss, View grad, Stream stream);

}  // namespace gpu
}  // namespace kestrel
