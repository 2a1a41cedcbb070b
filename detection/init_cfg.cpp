#include <kestrel/detection/init_cfg.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <kestrel/layers/conv2d.h>
#include <kestrel/layers/conv_ws.h>
#include <kestrel/layers/init.h>
#include <kestrel/layers/linear.h>
#include <kestrel/layers/norm.h>
#include <kestrel/registry/options.h>

namespace kestrel {
namespace {

enum class Rectifier { Relu, LeakyRelu, Linear };

constexpr auto enum_names(Rectifier) {
  return std::array{std::pair{Rectifier::Relu, "relu"},
                    std::pair{Rectifier::LeakyRelu, "leaky_relu"},
                    std::pair{Rectifier::Linear, "linear"}};
}

/// What all rules have.
struct RuleOptions {
  double bias = 0;
  std::optional<double> bias_prob = {};  ///< Instead: the bias of this sigmoid.
  OneOrMore<std::string> layer = {};
  Config override_rules = {};

  template <class V>
  void visit(V& v) {
    v("bias", bias);
    v("bias_prob", bias_prob);
    v("layer", layer);
    v("override", override_rules);
  }
  double bias_value() const { return bias_prob ? init::bias_for_probability(*bias_prob) : bias; }
};

struct ConstantRule {
  double val = 0;

  template <class V>
  void visit(V& v) {
    v("val", val);
  }
  void fill(Variable& weight, Philox&) const { init::constant(weight, val); }
};

struct XavierRule {
  double gain = 1;
  init::Distribution distribution = init::Distribution::Normal;

  template <class V>
  void visit(V& v) {
    v("gain", gain);
    v("distribution", distribution);
  }
  void fill(Variable& weight, Philox& random) const {
    init::xavier(weight, gain, distribution, random);
  }
};

struct NormalRule {
  double mean = 0;
  double std = 1;

  template <class V>
  void visit(V& v) {
    v("mean", mean);
    v("std", std);
  }
  void fill(Variable& weight, Philox& random) const { init::normal(weight, mean, std, random); }
};

struct TruncNormalRule {
  NormalRule normal = {};
  double a = -2;
  double b = 2;

  template <class V>
  void visit(V& v) {
    normal.visit(v);
    v("a", a);
    v("b", b);
  }
  void fill(Variable& weight, Philox& random) const {
    init::truncated_normal(weight, normal.mean, normal.std, a, b, random);
  }
};

struct UniformRule {
  double a = 0;
  double b = 1;

  template <class V>
  void visit(V& v) {
    v("a", a);
    v("b", b);
  }
  void fill(Variable& weight, Philox& random) const { init::uniform(weight, a, b, random); }
};

struct KaimingRule {
  double a = 0;
  init::FanMode mode = init::FanMode::Out;
  Rectifier nonlinearity = Rectifier::Relu;
  init::Distribution distribution = init::Distribution::Normal;

  template <class V>
  void visit(V& v) {
    v("a", a);
    v("mode", mode);
    v("nonlinearity", nonlinearity);
    v("distribution", distribution);
  }
  void fill(Variable& weight, Philox& random) const {
    // The slope counts for leaky_relu alone; a slope of 1 is no rectifier.
    const double slope = nonlinearity == Rectifier::Relu        ? 0
                         : nonlinearity == Rectifier::LeakyRelu ? a
                                                                : 1;
    init::kaiming(weight, slope, mode, distribution, random);
  }
};

struct Caffe2XavierRule {
  template <class V>
  void visit(V&) {}
  void fill(Variable& weight, Philox& random) const {
    init::kaiming(weight, 1, init::FanMode::In, init::Distribution::Uniform, random);
  }
};

/// One map of an init_cfg.
struct Rule {
  RuleOptions options;
  std::function<void(Variable& weight, Philox& random)> fill;
};

template <class Kind>
struct WithOptions {
  RuleOptions options = {};
  Kind kind = {};

  template <class V>
  void visit(V& v) {
    options.visit(v);
    kind.visit(v);
  }
};

template <class Kind>
Rule read_rule(const Config& node) {
  auto read = read_options<WithOptions<Kind>>(node, {}, {"type", "name"});
  return {read.options,
          [kind = read.kind](Variable& weight, Philox& random) { kind.fill(weight, random); }};
}

Rule rule_of(const Config& node) {
  using Reader = Rule (*)(const Config&);
  static const std::vector<std::pair<std::string, Reader>> kinds = {
      {"Constant", read_rule<ConstantRule>},
      {"Xavier", read_rule<XavierRule>},
      {"Normal", read_rule<NormalRule>},
      {"TruncNormal", read_rule<TruncNormalRule>},
      {"Uniform", read_rule<UniformRule>},
      {"Kaiming", read_rule<KaimingRule>},
      {"Caffe2Xavier", read_rule<Caffe2XavierRule>}};
  const Config& type = node.at("type");
  std::vector<std::string> names;
  for (const auto& [name, reader] : kinds) {
    if (type.as_string() == name) return reader(node);
    names.push_back(name);
  }
  type.fail(
      "no initialiser is called '" + type.as_string() + "'" +
      did_you_mean(type.as_string(), names) +
      "; there are Constant, Xavier, Normal, TruncNormal, Uniform, Kaiming, Caffe2Xavier and, "
      "alone, Pretrained");
}

bool is_pretrained(const Config& init_cfg) {
  return init_cfg.is_map() && init_cfg.at("type") == Config("Pretrained");
}

std::vector<Config> maps_of(const Config& one_or_more) {
  if (!one_or_more.is_list()) return {one_or_more};
  return {one_or_more.items().begin(), one_or_more.items().end()};
}

/// A map under `override`: with a rule of its own, or with nothing but a name.
Rule override_of(const Config& node, const Rule& outer) {
  node.at("name");
  if (node.size() == 1) return outer;
  return rule_of(node);
}

template <class... Layers>
bool is_one_of(Module& module) {
  return (dynamic_cast<Layers*>(&module) || ...);
}

/// Whether a layer is of a class of PyTorch's, or derived from it, as MMCV's ConvWS2d is.
bool is_class(Module& module, const std::string& name) {
  if (name == "Conv2d") return is_one_of<Conv2d, ConvWs2d>(module);
  if (name == "ConvTranspose2d") return is_one_of<ConvTranspose2d>(module);
  if (name == "_ConvNd") return is_one_of<Conv2d, ConvTranspose2d>(module);
  if (name == "Linear") return is_one_of<Linear>(module);
  if (name == "BatchNorm2d" || name == "_BatchNorm") return is_one_of<BatchNorm2d>(module);
  if (name == "InstanceNorm2d") return is_one_of<InstanceNorm2d>(module);
  if (name == "GroupNorm") return is_one_of<GroupNorm>(module);
  if (name == "LayerNorm") return is_one_of<LayerNorm>(module);
  return false;
}

void check_layers(const Config& node, const Rule& rule) {
  static const std::vector<std::string> known = {
      "Conv2d",     "ConvTranspose2d", "Linear",  "BatchNorm2d", "GroupNorm", "LayerNorm",
      "_BatchNorm", "InstanceNorm2d",  "_ConvNd", "Conv1d",      "Conv3d",    "Embedding"};
  for (const std::string& name : rule.options.layer.values) {
    if (std::ranges::find(known, name) != known.end()) continue;
    std::string text = "'" + name + "' is no class of layers; there are ";
    for (const std::string& other : known) text.append(other).append(", ");
    text.resize(text.size() - 2);
    node.at("layer").fail(text);
  }
}

void set_weights(Module& layer, const Rule& rule, Philox& random) {
  for (auto& [name, parameter] : layer.named_parameters()) {
    if (name == "weight") rule.fill(parameter, random);
    if (name == "bias") init::constant(parameter, rule.options.bias_value());
  }
}

void apply_override(Module& module, const Config& node, const Rule& outer, Philox& random) {
  const Rule rule = override_of(node, outer);
  const std::string& name = node.at("name").as_string();
  bool found = false;
  for (auto& [child_name, child] : module.named_modules()) {
    if (child_name != name && !child_name.starts_with(name + ".")) continue;
    found = true;
    set_weights(*child, rule, random);
  }
  if (!found) node.at("name").fail("the module has no part called '" + name + "'");
}

}  // namespace

void check_init_cfg(const Config& init_cfg) {
  if (init_cfg.is_null()) return;
  if (is_pretrained(init_cfg)) {
    init_cfg.at("checkpoint");
    return;
  }
  for (const Config& node : maps_of(init_cfg)) {
    const Rule rule = rule_of(node);
    check_layers(node, rule);
    if (rule.options.override_rules.is_null()) continue;
    for (const Config& inner : maps_of(rule.options.override_rules)) override_of(inner, rule);
  }
}

bool init_by_config(Module& module, const Config& init_cfg, Philox& random) {
  if (init_cfg.is_null() || is_pretrained(init_cfg)) return false;
  for (auto& [name, layer] : module.named_modules()) {
    if (is_one_of<ConvLayer, ConvTranspose2d, Linear, Norm>(*layer)) layer->init_weights(random);
  }
  for (const Config& node : maps_of(init_cfg)) {
    const Rule rule = rule_of(node);
    for (const auto& named : module.named_modules()) {
      Module& layer = *named.second;
      const auto& classes = rule.options.layer.values;
      if (std::ranges::any_of(classes, [&](const auto& c) { return is_class(layer, c); })) {
        set_weights(layer, rule, random);
      }
    }
    if (rule.options.override_rules.is_null()) continue;
    for (const Config& inner : maps_of(rule.options.override_rules)) {
      apply_override(module, inner, rule, random);
    }
  }
  module.state_changed();
  return true;
}

}  // namespace kestrel
