#pragma once

#include <kestrel/engine/optimizers/optimizer.h>

namespace kestrel {

struct AdagradOptions {
  double lr = 1e-2;
  double lr_decay = 0;  ///< The rate of step n is lr / (1 + (n - 1) * lr_decay).
  double weight_decay = 0;
  double initial_accumulator_value = 0;
  double eps = 1e-10;
  bool maximize = false;

  template <class V>
  void visit(V& v) {
    v("lr", lr);
    v("lr_decay", lr_decay);
    v("weight_decay", weight_decay);
    v("initial_accumulator_value", initial_accumulator_value);
    v("eps", eps);
    v("maximize", maximize);
  }
};

/// Duchi et al. 2011, as torch.optim.Adagrad.
class Adagrad final : public RuleOptimizer {
 public:
  Adagrad(const AdagradOptions& options, std::vector<ParamGroup> groups);
};

}  // namespace kestrel
