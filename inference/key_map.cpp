#include <kestrel/inference/key_map.h>

#include <array>
#include <charconv>
#include <optional>
#include <span>

namespace kestrel {
namespace {

/// Names that begin with a pattern, in which # stands for a number, and end alike.
struct KeyRule {
  std::string_view theirs;
  std::string_view ours;
  int step = 1;  ///< Of their numbers, where activations are counted too.
};

constexpr std::string_view kExtraBlocks = "backbone.fpn.extra_blocks.";

/// torchvision's RetinaNet, 0.14 and later; tried from the top.
constexpr std::array<KeyRule, 11> kTorchvision = {{
    {"backbone.body.", "backbone."},
    {"backbone.fpn.inner_blocks.#.0.", "neck.lateral_convs.#.conv."},
    {"backbone.fpn.extra_blocks.p6.", "neck.fpn_convs.3.conv."},
    {"backbone.fpn.extra_blocks.p7.", "neck.fpn_convs.4.conv."},
    {"backbone.fpn.layer_blocks.#.0.", "neck.fpn_convs.#.conv."},
    {"head.classification_head.conv.#.0.", "bbox_head.cls_convs.#.conv."},
    {"head.classification_head.conv.#.1.", "bbox_head.cls_convs.#.gn."},
    {"head.classification_head.cls_logits.", "bbox_head.retina_cls."},
    {"head.regression_head.conv.#.0.", "bbox_head.reg_convs.#.conv."},
    {"head.regression_head.conv.#.1.", "bbox_head.reg_convs.#.gn."},
    {"head.regression_head.bbox_reg.", "bbox_head.retina_reg."},
}};

/// The same of earlier versions, which are read.
constexpr std::array<KeyRule, 8> kEarlier = {{
    // torchvision before 0.14: no ConvNormActivation around convolutions
    {"backbone.fpn.inner_blocks.#.", "neck.lateral_convs.#.conv."},
    {"backbone.fpn.layer_blocks.#.", "neck.fpn_convs.#.conv."},
    {"head.classification_head.conv.#.", "bbox_head.cls_convs.#.conv.", 2},
    {"head.regression_head.conv.#.", "bbox_head.reg_convs.#.conv.", 2},
    // MMDetection up to 0.5.3: no ConvModule in RetinaHead
    {"bbox_head.cls_convs.#.weight", "bbox_head.cls_convs.#.conv.weight"},
    {"bbox_head.cls_convs.#.bias", "bbox_head.cls_convs.#.conv.bias"},
    {"bbox_head.reg_convs.#.weight", "bbox_head.reg_convs.#.conv.weight"},
    {"bbox_head.reg_convs.#.bias", "bbox_head.reg_convs.#.conv.bias"},
}};

struct Match {
  int number = 0;
  std::string_view rest;
};

/// Whether a name begins with a pattern.
std::optional<Match> match(std::string_view pattern, std::string_view name) {
  const size_t hash = pattern.find('#');
  if (!name.starts_with(pattern.substr(0, hash))) return std::nullopt;
  if (hash == std::string_view::npos) return Match{0, name.substr(pattern.size())};
  Match result;
  const char* const end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + hash, end, result.number);
  const std::string_view after(stop, static_cast<size_t>(end - stop));
  pattern.remove_prefix(hash + 1);
  if (error != std::errc() || !after.starts_with(pattern)) return std::nullopt;
  result.rest = after.substr(pattern.size());
  return result;
}

std::string fill(std::string_view pattern, int number, std::string_view rest) {
  std::string name(pattern);
  if (const size_t hash = name.find('#'); hash != std::string::npos) {
    name.replace(hash, 1, std::to_string(number));
  }
  return name.append(rest);
}

}  // namespace

std::string kestrel_name(std::string_view name) {
  for (const std::span<const KeyRule> rules :
       {std::span<const KeyRule>(kTorchvision), {kEarlier}}) {
    for (const KeyRule& rule : rules) {
      if (const auto found = match(rule.theirs, name)) {
        return fill(rule.ours, found->number / rule.step, found->rest);
      }
    }
  }
  return std::string(name);
}

std::string torchvision_name(std::string_view name, bool pyramid_from_c2) {
  for (const KeyRule& rule : kTorchvision) {
    if (pyramid_from_c2 && rule.theirs.starts_with(kExtraBlocks)) continue;
    if (const auto found = match(rule.ours, name)) {
      return fill(rule.theirs, found->number, found->rest);
    }
  }
  return std::string(name);
}

}  // namespace kestrel
