#include <kestrel/engine/optimizers/param_groups.h>

#include <algorithm>
#include <map>
#include <set>

#include <kestrel/layers/conv2d.h>
#include <kestrel/layers/deform_conv2d.h>
#include <kestrel/layers/norm.h>
#include <kestrel/registry/options.h>

namespace kestrel {
namespace {

class DefaultOptimizerConstructor final : public OptimizerConstructor {
 public:
  explicit DefaultOptimizerConstructor(const ParamwiseOptions& options) : options_(options) {}
  std::vector<ParamGroup> groups(Module& model) const override {
    return make_param_groups(model, options_);
  }

 private:
  ParamwiseOptions options_;
};

const Registration<OptimizerConstructor, DefaultOptimizerConstructor, ParamwiseOptions>
    kDefaultConstructor{"DefaultOptimizerConstructor", "factors of biases, norms and names"};

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

/// What the rules ask of the module that owns a parameter.
struct Owner {
  bool norm = false;
  bool depthwise = false;   ///< A convolution of one input channel per group.
  bool dcn_child = false;   ///< Right below a deformable convolution.
  bool dcn_offset = false;  ///< Its convolution of offsets.
};

std::map<std::string, Owner> owners_of(Module& model) {
  std::map<std::string, Owner> owners;
  std::set<std::string> deformable;
  for (const auto& [name, module] : model.named_modules()) {
    Owner& owner = owners[name];
    if (dynamic_cast<const DeformConv2d*>(module) ||
        dynamic_cast<const ModulatedDeformConv2d*>(module) ||
        dynamic_cast<const DeformConvPack*>(module)) {
      deformable.insert(name);
    }
    owner.norm = dynamic_cast<const Norm*>(module) != nullptr;
    const auto* conv = dynamic_cast<const Conv2d*>(module);
    owner.depthwise = conv && conv->weight.size(3) == 1;
    const size_t dot = name.rfind('.');
    // The root itself is no child, not even of a root that is deformable.
    owner.dcn_child =
        !name.empty() && deformable.contains(dot == std::string::npos ? "" : name.substr(0, dot));
    owner.dcn_offset = owner.dcn_child && conv && name.find("conv_offset") != std::string::npos;
  }
  return owners;
}

Factors factors_of(const std::string& name, bool is_bias, const Owner& owner,
                   const ParamwiseOptions& options, const CustomKeys& custom) {
  for (const auto& [key, factors] : custom) {
    if (name.find(key) != std::string::npos) return factors;
  }
  Factors factors;
  if (is_bias && !owner.norm && !owner.dcn_child) factors.lr_mult = options.bias_lr_mult;
  if (owner.dcn_offset) factors.lr_mult = options.dcn_offset_lr_mult;
  if (owner.norm) {
    factors.decay_mult = options.norm_decay_mult;
  } else if (owner.depthwise) {
    factors.decay_mult = options.dwconv_decay_mult;
  } else if (is_bias && !owner.dcn_child) {
    factors.decay_mult = options.bias_decay_mult;
  }
  return factors;
}

bool is_default(const ParamwiseOptions& options) {
  return write_options(options) == write_options(ParamwiseOptions{});
}

}  // namespace

void ParamGroups::add(const std::string& name, const Variable& param, const Factors& factors) {
  const auto found = std::ranges::find(factors_, factors);
  const auto index = static_cast<size_t>(found - factors_.begin());
  if (found == factors_.end()) {
    factors_.push_back(factors);
    groups_.push_back({.params = {},
                       .initial_lr = factors.lr_mult,
                       .lr = factors.lr_mult,
                       .weight_decay = factors.decay_mult});
  }
  groups_[index].params.emplace_back(name, param);
}

std::vector<ParamGroup> make_param_groups(Module& model, const ParamwiseOptions& options) {
  const CustomKeys custom = read_custom_keys(options.custom_keys);
  const auto owners = owners_of(model);
  const bool refuse_duplicates = !options.bypass_duplicate && !is_default(options);
  std::map<const void*, std::string> seen;
  ParamGroups groups;
  for (const auto& [name, param] : model.named_parameters()) {
    const auto [first, is_new] = seen.emplace(param.data().raw(), name);
    if (!is_new && param.numel() > 0) {
      if (refuse_duplicates) {
        fail<UsageError>("[optimizer] parameter ", name, " is ", first->second,
                         " under another name; set paramwise_cfg.bypass_duplicate: true to train "
                         "it once, under the first");
      }
      continue;
    }
    const size_t dot = name.rfind('.');
    const bool at_root = dot == std::string::npos;
    const Owner& owner = owners.at(at_root ? "" : name.substr(0, dot));
    const bool is_bias = (at_root ? name : name.substr(dot + 1)) == "bias";
    groups.add(name, param,
               factors_of(at_root ? '.' + name : name, is_bias, owner, options, custom));
  }
  return groups.take();
}

}  // namespace kestrel
