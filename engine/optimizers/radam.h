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
    v("lr", lr);
    v("betas", betas);
    v("eps", eps);
    v("weight_decay", weight_decay);
    v("decoupled_weight_decay", decoupled_weight_decay);
    v("maximize", maximize);
  }
};

/// Liu et al. 2020, as torch.optim.RAdam.
class RAdam final : public RuleOptimizer {
 public:
  RAdam(const RAdamOptions& options, std::vector<ParamGroup> groups);
};

}  // namespace kestrel
