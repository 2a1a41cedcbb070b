#pragma once

#include <kestrel/detection/losses/loss.h>

namespace kestrel {

struct FocalLossOptions {
  bool use_sigmoid = true;
  double gamma = 2.0;
  double alpha = 0.25;
  Reduction reduction = Reduction::Mean;
  double loss_weight = 1.0;

  template <class V>
  void visit(V& v) {
    v("use_sigmoid", use_sigmoid, "must be true");
    v("gamma", gamma, "how much less what is easy counts");
    v("alpha", alpha, "weight of positives; that of negatives is 1 - alpha");
    v("reduction", reduction, "over what the loss is summed up");
    v("loss_weight", loss_weight, "factor of the loss");
  }
};

/// Sigmoid focal loss (Lin et al. 2017).
class FocalLoss : public ClassificationLoss {
 public:
  explicit FocalLoss(const FocalLossOptions& options = {});
  Variable forward(const Variable& logits, const Tensor& labels, const Tensor& weights,
                   const Tensor& avg_factor) const override;

 private:
  FocalLossOptions options_;
};

}  // namespace kestrel
