#include <kestrel/detection/losses/focal_loss.h>

#include <kestrel/autograd/functions/focal_loss.h>

namespace kestrel {
namespace {

const Registration<ClassificationLoss, FocalLoss, FocalLossOptions> kFocalLoss{
    "FocalLoss", "cross entropy in which what is easy counts less"};

}  // namespace

FocalLoss::FocalLoss(const FocalLossOptions& options) : options_(options) {
  if (!options.use_sigmoid) fail<UsageError>("[focal_loss] only with use_sigmoid: true");
  if (!(options.gamma >= 0)) {
    fail<UsageError>("[focal_loss] gamma must be at least 0, got ", options.gamma);
  }
}

Variable FocalLoss::forward(const Variable& logits, const Tensor& labels, const Tensor& weights,
                            const Tensor& avg_factor) const {
  const double scale = loss_scale("focal_loss", options_.reduction, options_.loss_weight,
                                  avg_factor.defined(), logits.numel());
  return autograd::focal_loss(logits, labels, weights,
                              {.alpha = options_.alpha, .gamma = options_.gamma, .scale = scale},
                              avg_factor);
}

}  // namespace kestrel
