#pragma once

#include <string>

#include <kestrel/detection/losses/loss.h>
#include <kestrel/kernels/box_loss.h>

namespace kestrel {

struct IoULossOptions {
  std::string mode = "log";
  bool linear = false;
  double eps = 1e-6;
  Reduction reduction = Reduction::Mean;
  double loss_weight = 1.0;

  template <class V>
  void visit(V& v) {
    v("mode", mode, "\"log\", \"linear\" or \"square\"");
    v("linear", linear, "older name of mode linear");
    v("eps", eps, "keeps a division from going by 0");
    v("reduction", reduction, "over what the loss is summed up");
    v("loss_weight", loss_weight, "factor of the loss");
  }
};

/// -log(IoU), 1 - IoU or 1 - IoU^2 of boxes; an element is a box.
class IoULoss : public RegressionLoss {
 public:
  explicit IoULoss(const IoULossOptions& options = {});
  Variable forward(const Variable& pred, const Tensor& target, const Tensor& weights,
                   const Tensor& avg_factor) const override;

 private:
  IoULossOptions options_;
  BoxLossKind kind_ = BoxLossKind::IouLog;
};

}  // namespace kestrel
