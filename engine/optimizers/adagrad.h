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
    v("lr", lr, "learning rate");
    v("lr_decay", lr_decay, "the rate of step n is lr / (1 + (n - 1) * lr_decay)");
    v("weight_decay", weight_decay,
      "factor of the weights that is added to their gradients, or shrinks them");
    v("initial_accumulator_value", initial_accumulator_value,
      "what the sum of squares starts from");
    v("eps", eps, "keeps divisors from 0");
    v("maximize", maximize, "goes up instead of down");
  }
};

/// Duchi et al. 2011, as torch.optim.Adagrad.
class Adagrad final : public RuleOptimizer {
 public:
  Adagrad(const AdagradOptions& options, std::vector<ParamGroup> groups);
};

}  // namespace kestrel
