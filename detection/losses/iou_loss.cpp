#include <kestrel/detection/losses/iou_loss.h>

#include <kestrel/autograd/functions/box_loss.h>

namespace kestrel {
namespace {

const Registration<RegressionLoss, IoULoss, IoULossOptions> kIoULoss{
    "IoULoss", "the negative logarithm of the IoU"};

}  // namespace

IoULoss::IoULoss(const IoULossOptions& options) : options_(options) {
  if (options.linear || options.mode == "linear") {
    kind_ = BoxLossKind::IouLinear;
  } else if (options.mode == "square") {
    kind_ = BoxLossKind::IouSquare;
  } else if (options.mode != "log") {
    fail<UsageError>("[iou_loss] mode must be log, linear or square, got ", options.mode);
  }
}

Variable IoULoss::forward(const Variable& pred, const Tensor& target, const Tensor& weights,
                          const Tensor& avg_factor) const {
  const double scale = loss_scale("iou_loss", options_.reduction, options_.loss_weight,
                                  avg_factor.defined(), pred.size(0));
  return autograd::box_loss(pred, target, weights,
                            {.kind = kind_, .eps = options_.eps, .scale = scale}, avg_factor);
}

}  // namespace kestrel
