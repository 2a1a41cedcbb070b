#pragma once

#include <kestrel/engine/optimizers/optimizer.h>

namespace kestrel {

struct AdadeltaOptions {
  double lr = 1;
  double rho = 0.9;  ///< What the averages keep.
  double eps = 1e-6;
  double weight_decay = 0;
  bool maximize = false;

  template <class V>
  void visit(V& v) {
    v("lr", lr, "learning rate");
    v("rho", rho, "how much of the means is kept");
    v("eps", eps, "keeps divisors from 0");
    v("weight_decay", weight_decay,
      "factor of the weights that is added to their gradients, or shrinks them");
    v("maximize", maximize, "goes up instead of down");
  }
};

/// Zeiler 2012, as torch.optim.Adadelta.
class Adadelta final : public RuleOptimizer {
 public:
  Adadelta(const AdadeltaOptions& options, std::vector<ParamGroup> groups);
};

}  // namespace kestrel
