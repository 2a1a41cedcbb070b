#include <kestrel/inference/weights.h>

#include <array>
#include <charconv>
#include <utility>

#include <kestrel/kernels/layout.h>
#include <kestrel/tensor/safetensors.h>

namespace kestrel {
namespace {

constexpr const char* kFormatKey = "kestrel.format";
constexpr const char* kConfigKey = "kestrel.config";
constexpr const char* kClassesKey = "kestrel.classes";

struct PrefixRule {
  std::string_view torchvision;
  std::string_view kestrel;
  /// What follows the number after the prefix in torchvision's name, and what Kestrel puts there.
  std::string_view after_number;
  std::string_view kestrel_after_number;
  int number_step = 1;  ///< torchvision before 0.14 counts activations too.
};

constexpr std::array<PrefixRule, 10> kNumbered = {{
    {"backbone.fpn.inner_blocks.", "neck.lateral_convs.", ".0.", ".conv."},
    {"backbone.fpn.inner_blocks.", "neck.lateral_convs.", ".", ".conv."},
    {"backbone.fpn.layer_blocks.", "neck.fpn_convs.", ".0.", ".conv."},
    {"backbone.fpn.layer_blocks.", "neck.fpn_convs.", ".", ".conv."},
    {"head.classification_head.conv.", "bbox_head.cls_convs.", ".0.", ".conv."},
    {"head.classification_head.conv.", "bbox_head.cls_convs.", ".1.", ".gn."},
    {"head.classification_head.conv.", "bbox_head.cls_convs.", ".", ".conv.", 2},
    {"head.regression_head.conv.", "bbox_head.reg_convs.", ".0.", ".conv."},
    {"head.regression_head.conv.", "bbox_head.reg_convs.", ".1.", ".gn."},
    {"head.regression_head.conv.", "bbox_head.reg_convs.", ".", ".conv.", 2},
}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kPrefixes = {{
    {"backbone.body.", "backbone."},
    {"backbone.fpn.extra_blocks.p6.", "neck.fpn_convs.3.conv."},
    {"backbone.fpn.extra_blocks.p7.", "neck.fpn_convs.4.conv."},
    {"head.classification_head.cls_logits.", "bbox_head.retina_cls."},
    {"head.regression_head.bbox_reg.", "bbox_head.retina_reg."},
}};

/// (O, I, kh, kw) to (O, kh, kw, I).
Tensor to_channels_last(const Tensor& weight) {
  Tensor result = Tensor::empty({weight.size(0), weight.size(2), weight.size(3), weight.size(1)},
                                weight.dtype());
  cpu::nchw_to_nhwc(weight.view(), result.view());
  return result;
}

std::vector<std::string> parse_classes(const std::string& text) {
  std::vector<std::string> classes;
  const Config list = Config::parse(text, kClassesKey);
  for (const Config& name : list.items()) {
    classes.push_back(name.as_string());
  }
  return classes;
}

}  // namespace

std::string kestrel_name(std::string_view name) {
  for (const PrefixRule& rule : kNumbered) {
    if (!name.starts_with(rule.torchvision)) continue;
    const std::string_view rest = name.substr(rule.torchvision.size());
    int number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    const std::string_view tail = rest.substr(static_cast<size_t>(end - rest.data()));
    if (error != std::errc() || !tail.starts_with(rule.after_number)) continue;
    return std::string(rule.kestrel) + std::to_string(number / rule.number_step) +
           std::string(rule.kestrel_after_number) +
           std::string(tail.substr(rule.after_number.size()));
  }
  for (const auto& [theirs, ours] : kPrefixes) {
    if (name.starts_with(theirs))
      return std::string(ours) + std::string(name.substr(theirs.size()));
  }
  return std::string(name);
}

ModelFile read_model_file(const std::filesystem::path& path) {
  Safetensors file = read_safetensors(path);
  ModelFile result;
  if (file.metadata.contains(kFormatKey)) {
    result.weights = std::move(file.tensors);
    if (const auto it = file.metadata.find(kConfigKey); it != file.metadata.end()) {
      result.config = Config::parse(it->second, path.string());
    }
    if (const auto it = file.metadata.find(kClassesKey); it != file.metadata.end()) {
      result.classes = parse_classes(it->second);
    }
    return result;
  }
  for (auto& [name, tensor] : file.tensors) {
    if (name.ends_with("num_batches_tracked")) continue;
    result.weights.emplace_back(kestrel_name(name),
                                tensor.dims() == 4 ? to_channels_last(tensor) : tensor);
  }
  return result;
}

std::map<std::string, std::string> model_metadata(const Config& config,
                                                  const std::vector<std::string>& classes) {
  Config names = Config::list();
  for (const std::string& name : classes) names.push_back(name);
  std::map<std::string, std::string> metadata = {{kFormatKey, "1"}, {kClassesKey, names.to_json()}};
  if (!config.is_null()) metadata[kConfigKey] = config.to_json();
  return metadata;
}

void write_model_file(const std::filesystem::path& path, const ModelFile& contents) {
  write_safetensors(path, {contents.weights, model_metadata(contents.config, contents.classes)});
}

}  // namespace kestrel
