#pragma once

#include <string>
#include <utility>
#include <vector>

#include <kestrel/layers/module.h>
#include <kestrel/registry/registry.h>

namespace kestrel {

/// Parameters that share a learning rate, a weight decay and a momentum.
struct ParamGroup {
  std::vector<std::pair<std::string, Variable>> params;
  double initial_lr = 0;  ///< What schedules start from.
  double lr = 0;          ///< What step() uses.
  double weight_decay = 0;
  double initial_momentum = 0;  ///< Or beta1; 0 where the optimizer has neither.
  double momentum = 0;          ///< What step() uses.
};

/// What a parameter's learning rate and weight decay are multiplied by.
struct Factors {
  double lr_mult = 1;
  double decay_mult = 1;

  template <class V>
  void visit(V& v) {
    v("lr_mult", lr_mult, "factor of the learning rate");
    v("decay_mult", decay_mult, "factor of the weight decay");
  }
  friend bool operator==(const Factors&, const Factors&) = default;
};

/// Parameters into groups, one per pair of factors, in order of first appearance: what a
/// constructor returns.
class ParamGroups {
 public:
  void add(const std::string& name, const Variable& param, const Factors& factors);
  std::vector<ParamGroup> take() { return std::move(groups_); }

 private:
  std::vector<ParamGroup> groups_;
  std::vector<Factors> factors_;
};

/// Sorts a model's parameters into groups; mmcv's optimizer constructors. lr and weight_decay of
/// the groups are factors: an optimizer multiplies them by its own. Another policy registers itself
///
///   const Registration<OptimizerConstructor, MyConstructor, MyOptions> kMine{"MyConstructor"};
///
/// and a config chooses it: optimizer: {type: AdamW, constructor: MyConstructor, paramwise_cfg:
/// ...}, where paramwise_cfg has MyOptions.
class OptimizerConstructor {
 public:
  static constexpr const char* kKind = "optimizer constructor";

  virtual ~OptimizerConstructor() = default;
  virtual std::vector<ParamGroup> groups(Module& model) const = 0;
};

/// How learning rate and weight decay differ between parameters; MMDetection's paramwise_cfg.
struct ParamwiseOptions {
  double bias_lr_mult = 1;        ///< On every `bias` outside of norms and offsets of DCNs.
  double bias_decay_mult = 1;     ///< Likewise.
  double norm_decay_mult = 1;     ///< On weight and bias of norms.
  double dwconv_decay_mult = 1;   ///< On depthwise convolutions.
  double dcn_offset_lr_mult = 1;  ///< On the `conv_offset` of deformable convolutions.
  /// Parameters that have two names are trained once, under the first. Without it they are an error
  /// where any of the options is set.
  bool bypass_duplicate = false;
  /// {part of a name: {lr_mult: 1, decay_mult: 1}}; the longest part that fits wins, of equally
  /// long ones the first in the alphabet, and suspends the other rules.
  Config custom_keys = {};

  template <class V>
  void visit(V& v) {
    v("bias_lr_mult", bias_lr_mult, "on every `bias` outside of norms and offsets of DCNs");
    v("bias_decay_mult", bias_decay_mult, "likewise");
    v("norm_decay_mult", norm_decay_mult, "on weight and bias of norms");
    v("dwconv_decay_mult", dwconv_decay_mult, "on depthwise convolutions");
    v("dcn_offset_lr_mult", dcn_offset_lr_mult, "on the `conv_offset` of deformable convolutions");
    v("bypass_duplicate", bypass_duplicate,
      "a parameter of two names is trained under the first; else it is an error");
    v("custom_keys", custom_keys,
      "{part of a name: {lr_mult: 1, decay_mult: 1}}; the longest part that fits wins, and "
      "suspends the other rules");
  }
};

/// What DefaultOptimizerConstructor does.
std::vector<ParamGroup> make_param_groups(Module& model, const ParamwiseOptions& options = {});

}  // namespace kestrel
