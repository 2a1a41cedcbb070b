#include <algorithm>

#include <kestrel/engine/optimizers/optimizer.h>
#include <kestrel/layers/norm.h>
#include <kestrel/registry/options.h>

namespace kestrel {
namespace {

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

using CustomKeys = std::vector<std::pair<std::string, Factors>>;

CustomKeys read_custom_keys(const Config& config) {
  CustomKeys keys;
  if (config.is_null()) return keys;
  for (const Config::Entry& entry : config.entries()) {
    keys.emplace_back(entry.key, read_options<Factors>(entry.value));
  }
  std::ranges::stable_sort(keys, [](const auto& a, const auto& b) {
    return a.first.size() != b.first.size() ? a.first.size() > b.first.size() : a.first < b.first;
  });
  return keys;
}

bool is_depthwise(const Variable& weight) {
  return weight.shape().dims() == 4 && weight.size(3) == 1;
}

Factors factors_of(const std::string& name, const Variable& param, bool of_norm,
                   const Variable& weight_beside, const ParamwiseOptions& options,
                   const CustomKeys& custom) {
  for (const auto& [key, factors] : custom) {
    if (name.find(key) != std::string::npos) return factors;
  }
  Factors factors;
  const bool is_bias = name == "bias" || name.ends_with(".bias");
  if (is_bias && !of_norm) factors.lr_mult = options.bias_lr_mult;
  if (of_norm) {
    factors.decay_mult = options.norm_decay_mult;
  } else if (is_depthwise(weight_beside.defined() ? weight_beside : param)) {
    factors.decay_mult = options.dwconv_decay_mult;
  } else if (is_bias) {
    factors.decay_mult = options.bias_decay_mult;
  }
  return factors;
}

}  // namespace

std::vector<ParamGroup> make_param_groups(Module& model, const ParamwiseOptions& options) {
  const CustomKeys custom = read_custom_keys(options.custom_keys);
  const auto params = model.named_parameters();
  std::vector<std::string> norms;
  for (const auto& [name, module] : model.named_modules()) {
    if (dynamic_cast<const Norm*>(module)) norms.push_back(name.empty() ? name : name + '.');
  }
  std::ranges::sort(norms);

  std::vector<ParamGroup> groups;
  std::vector<Factors> group_factors;
  for (const auto& [name, param] : params) {
    const size_t dot = name.rfind('.');
    const std::string owner = dot == std::string::npos ? "" : name.substr(0, dot + 1);
    const auto weight =
        std::ranges::find(params, owner + "weight", [](const auto& entry) { return entry.first; });
    const Factors factors =
        factors_of(name, param, std::ranges::binary_search(norms, owner),
                   weight == params.end() ? Variable() : weight->second, options, custom);
    const auto found = std::ranges::find(group_factors, factors);
    const auto index = static_cast<size_t>(found - group_factors.begin());
    if (found == group_factors.end()) {
      group_factors.push_back(factors);
      groups.push_back(ParamGroup{.params = {},
                                  .initial_lr = factors.lr_mult,
                                  .lr = factors.lr_mult,
                                  .weight_decay = factors.decay_mult});
    }
    groups[index].params.emplace_back(name, param);
  }
  return groups;
}

}  // namespace kestrel
