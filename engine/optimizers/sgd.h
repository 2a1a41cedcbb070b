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
    v("lr", lr);
    v("momentum", momentum);
    v("dampening", dampening);
    v("weight_decay", weight_decay);
    v("nesterov", nesterov);
    v("maximize", maximize);
  }
};

/// Stochastic gradient descent as torch.optim.SGD.
class SGD final : public RuleOptimizer {
 public:
  SGD(const SGDOptions& options, std::vector<ParamGroup> groups);
};

}  // namespace kestrel
