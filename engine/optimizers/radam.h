#pragma once

#include <utility>

#include <kestrel/engine/optimizers/optimizer.h>

namespace kestrel {

struct RAdamOptions {
  double lr = 1e-3;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0;
  bool decoupled_weight_decay = false;  ///< As AdamW's, else as Adam's.
  bool maximize = false;

  template <class V>
  void visit(V& v) {
    v("lr", lr, "learning rate");
    v("betas", betas, "how much of the means of gradients and of their squares is kept");
    v("eps", eps, "keeps divisors from 0");
    v("weight_decay", weight_decay,
      "factor of the weights that is added to their gradients, or shrinks them");
    v("decoupled_weight_decay", decoupled_weight_decay, "weight decay as AdamW's, else as Adam's");
    v("maximize", maximize, "goes up instead of down");
  }
};

/// Liu et al. 2020, as torch.optim.RAdam.
class RAdam final : public RuleOptimizer {
 public:
  RAdam(const RAdamOptions& options, std::vector<ParamGroup> groups);
};

}  // namespace kestrel
