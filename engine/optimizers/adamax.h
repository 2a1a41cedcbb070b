#pragma once

#include <utility>

#include <kestrel/engine/optimizers/optimizer.h>

namespace kestrel {

struct AdamaxOptions {
  double lr = 2e-3;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0;
  bool maximize = false;

  template <class V>
  void visit(V& v) {
    v("lr", lr, "learning rate");
    v("betas", betas, "how much of the means of gradients and of their squares is kept");
    v("eps", eps, "keeps divisors from 0");
    v("weight_decay", weight_decay,
      "factor of the weights that is added to their gradients, or shrinks them");
    v("maximize", maximize, "goes up instead of down");
  }
};

/// Kingma and Ba 2015, as torch.optim.Adamax.
class Adamax final : public RuleOptimizer {
 public:
  Adamax(const AdamaxOptions& options, std::vector<ParamGroup> groups);
};

}  // namespace kestrel
