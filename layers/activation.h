#pragma once

#include <memory>
#include <string_view>

#include <kestrel/layers/module.h>
#include <kestrel/registry/config.h>

namespace kestrel {

/// A function of every element, by a config such as {type: LeakyReLU, negative_slope: 0.1}. ReLU,
/// LeakyReLU, PReLU, ReLU6, ELU, SiLU, Swish, Mish, GELU, HSwish, HSigmoid, Sigmoid, Tanh and
/// Clamp, named and with options as in MMCV; `inplace` is read and does nothing. A plug-in adds
/// others by a Registration<Activation, ...>.
class Activation : public Module {
 public:
  static constexpr const char* kKind = "activation";

  virtual Variable forward(const Variable& x) = 0;
  /// Whether it is max(x, 0), which convolutions and norms do along the way.
  virtual bool is_relu() const { return false; }
};

/// Throws UsageError for an unknown type.
std::unique_ptr<Activation> make_activation(const Config& act_cfg);

/// A layer's config that has nothing but a type.
Config layer_config(std::string_view type);

}  // namespace kestrel
