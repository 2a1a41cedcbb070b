#pragma once

#include <kestrel/detection/losses/loss.h>

namespace kestrel {

struct SmoothL1LossOptions {
  double beta = 1.0;
  Reduction reduction = Reduction::Mean;
  double loss_weight = 1.0;

  template <class V>
  void visit(V& v) {
    v("beta", beta, "where the quadratic part ends");
    v("reduction", reduction, "over what the loss is summed up");
    v("loss_weight", loss_weight, "factor of the loss");
  }
};

/// Huber's loss divided by beta (Girshick 2015); an element is one of the four numbers.
class SmoothL1Loss : public RegressionLoss {
 public:
  explicit SmoothL1Loss(const SmoothL1LossOptions& options = {}) : options_(options) {}
  Variable forward(const Variable& pred, const Tensor& target, const Tensor& weights,
                   const Tensor& avg_factor) const override;

 private:
  SmoothL1LossOptions options_;
};

}  // namespace kestrel
