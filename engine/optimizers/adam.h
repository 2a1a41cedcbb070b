#pragma once

#include <utility>

#include <kestrel/engine/optimizers/optimizer.h>

namespace kestrel {

struct AdamOptions {
  double lr = 1e-3;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0;
  bool amsgrad = false;  ///< Reddi et al. 2018: divides by the largest average so far.
  bool maximize = false;

  template <class V>
  void visit(V& v) {
    v("lr", lr, "learning rate");
    v("betas", betas, "how much of the means of gradients and of their squares is kept");
    v("eps", eps, "keeps divisors from 0");
    v("weight_decay", weight_decay,
      "factor of the weights that is added to their gradients, or shrinks them");
    v("amsgrad", amsgrad, "divides by the largest mean so far");
    v("maximize", maximize, "goes up instead of down");
  }
};

/// Kingma and Ba 2015, as torch.optim.Adam: weight decay is added to the gradient.
class Adam : public RuleOptimizer {
 public:
  Adam(const AdamOptions& options, std::vector<ParamGroup> groups)
      : Adam(options, std::move(groups), false) {}

 protected:
  Adam(const AdamOptions& options, std::vector<ParamGroup> groups, bool decoupled_weight_decay);
};

/// AdamOptions with torch.optim.AdamW's default.
struct AdamWOptions : AdamOptions {
  AdamWOptions() { weight_decay = 0.01; }
};

/// Loshchilov and Hutter 2019, as torch.optim.AdamW: weight decay shrinks the parameter.
class AdamW final : public Adam {
 public:
  AdamW(const AdamWOptions& options, std::vector<ParamGroup> groups)
      : Adam(options, std::move(groups), true) {}
};

}  // namespace kestrel
