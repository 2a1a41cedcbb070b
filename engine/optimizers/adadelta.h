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
    v("lr", lr);
    v("rho", rho);
    v("eps", eps);
    v("weight_decay", weight_decay);
    v("maximize", maximize);
  }
};

/// Zeiler 2012, as torch.optim.Adadelta.
class Adadelta final : public RuleOptimizer {
 public:
  Adadelta(const AdadeltaOptions& options, std::vector<ParamGroup> groups);
};

}  // namespace kestrel
