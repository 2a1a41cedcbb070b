#include <kestrel/detection/losses/l1_loss.h>

#include <kestrel/autograd/functions/box_loss.h>

namespace kestrel {
namespace {

const Registration<RegressionLoss, L1Loss, L1LossOptions> kL1Loss{"L1Loss", "absolute difference"};

}  // namespace

Variable L1Loss::forward(const Variable& pred, const Tensor& target, const Tensor& weights,
                         const Tensor& avg_factor) const {
  const double scale = loss_scale("l1_loss", options_.reduction, options_.loss_weight,
                                  avg_factor.defined(), pred.numel());
  return autograd::box_loss(pred, target, weights, {.kind = BoxLossKind::L1, .scale = scale},
                            avg_factor);
}

}  // namespace kestrel
