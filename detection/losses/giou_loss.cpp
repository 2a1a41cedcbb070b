#include <kestrel/detection/losses/giou_loss.h>

#include <kestrel/autograd/functions/box_loss.h>

namespace kestrel {
namespace {

const Registration<RegressionLoss, GIoULoss, GIoULossOptions> kGIoULoss{"GIoULoss",
                                                                        "1 - generalised IoU"};

}  // namespace

Variable GIoULoss::forward(const Variable& pred, const Tensor& target, const Tensor& weights,
                           const Tensor& avg_factor) const {
  const double scale = loss_scale("giou_loss", options_.reduction, options_.loss_weight,
                                  avg_factor.defined(), pred.size(0));
  return autograd::box_loss(pred, target, weights,
                            {.kind = BoxLossKind::GIoU, .eps = options_.eps, .scale = scale},
                            avg_factor);
}

}  // namespace kestrel
