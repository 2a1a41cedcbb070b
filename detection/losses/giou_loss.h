#pragma once

#include <kestrel/detection/losses/loss.h>

namespace kestrel {

struct GIoULossOptions {
  double eps = 1e-6;
  Reduction reduction = Reduction::Mean;
  double loss_weight = 1.0;

  template <class V>
  void visit(V& v) {
    v("eps", eps, "keeps a division from going by 0");
    v("reduction", reduction, "over what the loss is summed up");
    v("loss_weight", loss_weight, "factor of the loss");
  }
};

/// 1 - generalised IoU of boxes (Rezatofighi et al. 2019); an element is a box.
class GIoULoss : public RegressionLoss {
 public:
  explicit GIoULoss(const GIoULossOptions& options = {}) : options_(options) {}
  Variable forward(const Variable& pred, const Tensor& target, const Tensor& weights,
                   const Tensor& avg_factor) const override;

 private:
  GIoULossOptions options_;
};

}  // namespace kestrel
