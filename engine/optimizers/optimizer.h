#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <kestrel/layers/module.h>
#include <kestrel/registry/config.h>

namespace kestrel {

/// Parameters that share a learning rate and a weight decay.
struct ParamGroup {
  std::vector<std::pair<std::string, Variable>> params;
  double initial_lr = 0;  ///< What schedules start from.
  double lr = 0;          ///< What step() uses.
  double weight_decay = 0;
};

/// How learning rate and weight decay differ between parameters; MMDetection's paramwise_cfg.
struct ParamwiseOptions {
  double bias_lr_mult = 1;
  double bias_decay_mult = 1;
  double norm_decay_mult = 1;
  double dwconv_decay_mult = 1;
  Config custom_keys = {};

  template <class V>
  void visit(V& v) {
    v("bias_lr_mult", bias_lr_mult, "on every `bias` outside of norms");
    v("bias_decay_mult", bias_decay_mult, "likewise");
    v("norm_decay_mult", norm_decay_mult, "on weight and bias of norms");
    v("dwconv_decay_mult", dwconv_decay_mult, "on depthwise convolutions");
    v("custom_keys", custom_keys,
      "{part of a name: {lr_mult: 1, decay_mult: 1}}; the longest part that fits wins, and "
      "suspends the other rules");
  }
};

/// Sorts a model's parameters into groups, one per pair of factors, in order of first appearance.
/// lr and weight_decay of the groups are the factors themselves: an optimizer multiplies them by
/// its own.
std::vector<ParamGroup> make_param_groups(Module& model, const ParamwiseOptions& options = {});

/// Updates float32 parameters from their gradients. A parameter without a gradient is left alone.
class Optimizer {
 public:
  static constexpr const char* kKind = "optimizer";

  virtual ~Optimizer() = default;

  /// One update with the groups' current learning rates; none where `guard`, a float64 scalar on
  /// the parameters' device or undefined, is not finite. Nothing waits for the device.
  virtual void step(const Tensor& guard = {}) = 0;
  void zero_grad();
  /// Scales all gradients so that their 2-norm together is at most max_norm, as PyTorch's
  /// clip_grad_norm_; returns the norm before, a float64 scalar on their device.
  Tensor clip_grad_norm(double max_norm);

  std::vector<ParamGroup>& groups() { return groups_; }
  const std::vector<ParamGroup>& groups() const { return groups_; }

  /// State by name ("momentum.<parameter>", "step"), shared with the optimizer; together with the
  /// parameters all that a resumed run needs. Learning rates are the schedule's and not part of it.
  virtual StateDict state_dict() const = 0;
  /// Throws ModelFileError where a name or shape doesn't fit the parameters.
  virtual void load_state_dict(const StateDict& state) = 0;

 protected:
  /// Multiplies the groups' factors by the optimizer's own values.
  Optimizer(std::vector<ParamGroup> groups, double lr, double weight_decay);

  /// Per-parameter tensors of one kind, in the groups' order; undefined before the first update.
  struct Slots {
    std::string name;
    std::vector<Tensor> tensors;
  };
  Slots make_slots(std::string name) const;
  /// The tensor of parameter i, made of zeros where there is none.
  static Tensor& slot(Slots& slots, size_t i, const Variable& param);
  void append_state(StateDict& state, const Slots& slots) const;
  void load_slots(const StateDict& state, std::initializer_list<Slots*> all) const;

  /// f(i, parameter, group) for every parameter with a gradient; i counts all parameters.
  template <class F>
  void for_each_with_grad(F f);

  std::vector<ParamGroup> groups_;
};

template <class F>
void Optimizer::for_each_with_grad(F f) {
  size_t i = 0;
  for (ParamGroup& group : groups_) {
    for (auto& [name, param] : group.params) {
      if (param.grad().defined()) f(i, param, group);
      ++i;
    }
  }
}

/// Builds the optimizer that a map like {type: SGD, lr: 0.01, momentum: 0.9, paramwise_cfg: {...}}
/// describes, for all parameters of a model.
std::unique_ptr<Optimizer> build_optimizer(Module& model, const Config& config);

}  // namespace kestrel
