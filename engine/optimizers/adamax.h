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
    v("lr", lr);
    v("betas", betas);
    v("eps", eps);
    v("weight_decay", weight_decay);
    v("maximize", maximize);
  }
};

/// Kingma and Ba 2015, as torch.optim.Adamax.
class Adamax final : public RuleOptimizer {
 public:
  Adamax(const AdamaxOptions& options, std::vector<ParamGroup> groups);
};

}  // namespace kestrel
