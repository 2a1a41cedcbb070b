#pragma once

#include <kestrel/detection/losses/loss.h>

struct SquaredLossOptions {
  double loss_weight = 1.0;

  template <class V>
  void visit(V& v) {
    v("loss_weight", loss_weight, "factor of the loss");
  }
};

/// Squared differences of the four numbers of a box.
class SquaredLoss : public kestrel::RegressionLoss {
 public:
  explicit SquaredLoss(const SquaredLossOptions& options) : options_(options) {}
  kestrel::Variable forward(const kestrel::Variable& pred, const kestrel::Tensor& target,
                            const kestrel::Tensor& weights,
                            const kestrel::Tensor& avg_factor) const override;

 private:
  SquaredLossOptions options_;
};
