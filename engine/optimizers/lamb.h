#pragma once

#include <utility>

#include <kestrel/engine/optimizers/optimizer.h>

namespace kestrel {

struct LambOptions {
  double lr = 1e-3;
  bool bias_correction = true;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-6;
  double weight_decay = 0.01;
  bool grad_averaging =
      true;                   ///< The gradient enters its average times 1 - betas[0], else times 1.
  double max_grad_norm = 1;   ///< Gradients are scaled down to this norm of all together.
  bool trust_clip = false;    ///< |parameter| / |update| counts as at most 1.
  bool always_adapt = false;  ///< Parameters without decay are scaled too.

  template <class V>
  void visit(V& v) {
    v("lr", lr, "learning rate");
    v("bias_correction", bias_correction, "the means start unbiased");
    v("betas", betas, "how much of the means of gradients and of their squares is kept");
    v("eps", eps, "keeps divisors from 0");
    v("weight_decay", weight_decay,
      "factor of the weights that is added to their gradients, or shrinks them");
    v("grad_averaging", grad_averaging,
      "the gradient enters its mean times 1 - betas[0], else times 1");
    v("max_grad_norm", max_grad_norm, "gradients are scaled down to this norm of all together");
    v("trust_clip", trust_clip, "|parameter| / |update| counts as at most 1");
    v("always_adapt", always_adapt, "parameters without decay are scaled too");
  }
};

/// You et al. 2020, as MMClassification's and timm's Lamb: Adam whose update of each parameter is
/// scaled by |parameter| / |update|. "Lamb" and "LAMB" in configs.
class Lamb final : public Optimizer {
 public:
  Lamb(const LambOptions& options, std::vector<ParamGroup> groups);

 private:
  void update(std::span<const ParamTensor> tensors, Device device, const Tensor& guard) override;

  LambRule rule_;
};

}  // namespace kestrel
