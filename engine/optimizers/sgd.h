#pragma once

#include <kestrel/engine/optimizers/optimizer.h>

namespace kestrel {

struct SGDOptions {
  double lr = 0.01;
  double momentum = 0;
  double weight_decay = 0;
  bool nesterov = false;

  template <class V>
  void visit(V& v) {
    v("lr", lr, "learning rate");
    v("momentum", momentum, "how much of the step before is kept");
    v("weight_decay", weight_decay, "factor of the weights that is added to their gradients");
    v("nesterov", nesterov, "looks ahead by the momentum");
  }
};

/// Stochastic gradient descent as torch.optim.SGD without dampening.
class SGD final : public Optimizer {
 public:
  SGD(const SGDOptions& options, std::vector<ParamGroup> groups);

  void step(const Tensor& guard = {}) override;
  StateDict state_dict() const override;
  void load_state_dict(const StateDict& state) override;

 private:
  SGDOptions options_;
  Slots momentum_;
};

}  // namespace kestrel
