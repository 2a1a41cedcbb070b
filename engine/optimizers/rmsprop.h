#pragma once

#include <kestrel/engine/optimizers/optimizer.h>

namespace kestrel {

struct RMSpropOptions {
  double lr = 1e-2;
  double alpha = 0.99;  ///< What the average of squares keeps.
  double eps = 1e-8;
  double weight_decay = 0;
  double momentum = 0;
  bool centered = false;  ///< Divides by the deviation from the mean gradient.
  bool maximize = false;

  template <class V>
  void visit(V& v) {
    v("lr", lr, "learning rate");
    v("alpha", alpha, "how much of the mean of squares is kept");
    v("eps", eps, "keeps divisors from 0");
    v("weight_decay", weight_decay,
      "factor of the weights that is added to their gradients, or shrinks them");
    v("momentum", momentum, "how much of the step before is kept");
    v("centered", centered, "divides by the deviation from the mean gradient");
    v("maximize", maximize, "goes up instead of down");
  }
};

/// Tieleman and Hinton 2012, as torch.optim.RMSprop; centered: Graves 2013.
class RMSprop final : public RuleOptimizer {
 public:
  RMSprop(const RMSpropOptions& options, std::vector<ParamGroup> groups);
};

}  // namespace kestrel
