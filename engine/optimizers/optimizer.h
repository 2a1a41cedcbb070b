#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <kestrel/engine/optimizers/param_groups.h>
#include <kestrel/kernels/optimizer.h>

namespace kestrel {

/// Updates parameters from their gradients: float32, or, on the CPU, all float64. A parameter
/// without a gradient is left alone.
class Optimizer {
 public:
  static constexpr const char* kKind = "optimizer";

  virtual ~Optimizer() = default;

  /// One update with the groups' current learning rates and momenta; none where `guard`, a float64
  /// scalar on the parameters' device or undefined, is not finite. Nothing waits for the device.
  void step(const Tensor& guard = {});
  void zero_grad();
  /// Scales all gradients so that their norm together is at most max_norm, as PyTorch's
  /// clip_grad_norm_; returns the norm before, a float64 scalar on their device. norm_type is above
  /// 0, or infinity: the largest absolute value. A max_norm of infinity only measures.
  Tensor clip_grad_norm(double max_norm = std::numeric_limits<double>::infinity(),
                        double norm_type = 2);
  /// Moves every gradient into [-limit, limit], as PyTorch's clip_grad_value_.
  void clip_grad_value(double limit);

  std::vector<ParamGroup>& groups() { return groups_; }
  const std::vector<ParamGroup>& groups() const { return groups_; }
  /// Whether the groups' momentum (or beta1) means something to it.
  bool has_momentum() const { return settings_.momentum.has_value(); }

  /// State by name ("momentum.<parameter>", "step.<parameter>"), shared with the optimizer;
  /// together with the parameters all that a resumed run needs. Learning rates and momenta are the
  /// schedule's and not part of it.
  StateDict state_dict() const;
  /// Throws ModelFileError where a name or shape doesn't fit the parameters.
  void load_state_dict(const StateDict& state);

 protected:
  /// What an optimizer tells about itself.
  struct Settings {
    double lr = 0;
    double weight_decay = 0;
    std::optional<double> momentum = {};  ///< Or beta1, if it has one.
    /// Names of the tensors that are kept for every parameter, in the order of ParamTensor's
    /// states. The one named "momentum" comes with the first momentum that is not 0.
    std::vector<std::string> states = {};
    double initial_state = 0;
    std::optional<double> momentum_decay = {};  ///< NAdam's.
    /// Steps are counted for all parameters, else for each by its gradients.
    bool common_steps = false;
  };
  /// Multiplies the groups' factors by the optimizer's own values.
  Optimizer(std::vector<ParamGroup> groups, Settings settings);

  /// Updates the parameters that have a gradient.
  virtual void update(std::span<const ParamTensor> tensors, Device device, const Tensor& guard) = 0;

 private:
  struct Entry {
    int64_t steps = 0;
    double momentum_product = 1;
    std::vector<Tensor> states;  // undefined before they are needed
  };

  /// f(parameter, its state, its group) for every parameter with a gradient.
  template <class F>
  void for_each_with_grad(F f);
  std::vector<View> gradients(Device& device);
  Tensor& state_tensor(Entry& entry, size_t state, const Variable& param) const;
  bool needs_momentum() const;
  void load_entry(const std::string& key, const std::string& kind, const Tensor& value,
                  const Variable& param, Entry& entry) const;

  std::vector<ParamGroup> groups_;
  Settings settings_;
  std::vector<Entry> entries_;  // in the groups' order
};

/// An optimizer whose update is one of kernels/optimizer.h.
class RuleOptimizer : public Optimizer {
 protected:
  RuleOptimizer(std::vector<ParamGroup> groups, Settings settings, const UpdateRule& rule)
      : Optimizer(std::move(groups), std::move(settings)), rule_(rule) {}

 private:
  void update(std::span<const ParamTensor> tensors, Device device, const Tensor& guard) final;

  UpdateRule rule_;
};

/// Throws UsageError unless condition: "[optimizer] <what> has to be <expected>, got <value>".
void check_option(bool condition, const char* what, const char* expected, double value);
/// What all optimizers with moments demand.
void check_betas(const std::pair<double, double>& betas, double eps);

/// Builds the optimizer that a map like {type: SGD, lr: 0.01, momentum: 0.9, paramwise_cfg: {...}}
/// describes, for all parameters of a model. `constructor` names who makes the groups:
/// DefaultOptimizerConstructor, LearningRateDecayOptimizerConstructor or another that is
/// registered.
std::unique_ptr<Optimizer> build_optimizer(Module& model, const Config& config);

}  // namespace kestrel
