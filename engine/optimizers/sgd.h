#pragma once

#include <kestrel/engine/optimizers/optimizer.h>

namespace kestrel {

struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening =
      0;  ///< The gradient enters its momentum times 1 - dampening; the first as it is.
  double weight_decay = 0;
  bool nesterov = false;
  bool maximize = false;

  template <class V>
  void visit(V& v) {
    v("lr", lr, "learning rate");
    v("momentum", momentum, "how much of the step before is kept");
    v("dampening", dampening, "the gradient enters its momentum times 1 - dampening");
    v("weight_decay", weight_decay,
      "factor of the weights that is added to their gradients, or shrinks them");
    v("nesterov", nesterov, "looks ahead by the momentum");
    v("maximize", maximize, "goes up instead of down");
  }
};

/// Stochastic gradient descent as torch.optim.SGD.
class SGD final : public RuleOptimizer {
 public:
  SGD(const SGDOptions& options, std::vector<ParamGroup> groups);
};

}  // namespace kestrel
