#pragma once

#include <kestrel/detection/losses/loss.h>

namespace kestrel {

struct SmoothL1LossOptions {
  double beta = 1.0;  ///< Where the quadratic part ends.
  Reduction reduction = Reduction::Mean;
  double loss_weight = 1.0;

  template <class V>
  void visit(V& v) {
    v("beta", beta);
    v("reduction", reduction);
    v("loss_weight", loss_weight);
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
