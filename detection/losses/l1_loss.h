#pragma once

#include <kestrel/detection/losses/loss.h>

namespace kestrel {

struct L1LossOptions {
  Reduction reduction = Reduction::Mean;
  double loss_weight = 1.0;

  template <class V>
  void visit(V& v) {
    v("reduction", reduction, "over what the loss is summed up");
    v("loss_weight", loss_weight, "factor of the loss");
  }
};

/// Sum of absolute differences; an element is one of the four numbers.
class L1Loss : public RegressionLoss {
 public:
  explicit L1Loss(const L1LossOptions& options = {}) : options_(options) {}
  Variable forward(const Variable& pred, const Tensor& target, const Tensor& weights,
                   const Tensor& avg_factor) const override;

 private:
  L1LossOptions options_;
};

}  // namespace kestrel
