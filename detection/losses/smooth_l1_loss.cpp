#include <kestrel/detection/losses/smooth_l1_loss.h>

#include <kestrel/autograd/functions/box_loss.h>

namespace kestrel {
namespace {

const Registration<RegressionLoss, SmoothL1Loss, SmoothL1LossOptions> kSmoothL1Loss{
    "SmoothL1Loss", "absolute difference, quadratic where it is small"};

}  // namespace

Variable SmoothL1Loss::forward(const Variable& pred, const Tensor& target, const Tensor& weights,
                               const Tensor& avg_factor) const {
  const double scale = loss_scale("smooth_l1_loss", options_.reduction, options_.loss_weight,
                                  avg_factor.defined(), pred.numel());
  return autograd::box_loss(pred, target, weights,
                            {.kind = BoxLossKind::SmoothL1, .beta = options_.beta, .scale = scale},
                            avg_factor);
}

}  // namespace kestrel
