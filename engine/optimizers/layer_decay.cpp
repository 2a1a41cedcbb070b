#include <algorithm>
#include <charconv>
#include <cmath>

#include <kestrel/engine/optimizers/param_groups.h>

namespace kestrel {
namespace {

enum class DecayType : uint8_t { LayerWise, StageWise };
constexpr auto enum_names(DecayType) {
  return std::array{std::pair{DecayType::LayerWise, "layer_wise"},
                    std::pair{DecayType::StageWise, "stage_wise"}};
}

struct LayerDecayOptions {
  int64_t num_layers = 0;
  double decay_rate = 1;
  DecayType decay_type = DecayType::LayerWise;

  template <class V>
  void visit(V& v) {
    v("num_layers", num_layers, "layers of the backbone, 6 for ConvNeXt-T and 12 for the larger");
    v("decay_rate", decay_rate, "factor of the learning rate from layer to layer");
    v("decay_type", decay_type, "layer_wise or stage_wise");
  }
};

constexpr std::string_view kDownsample = "backbone.downsample_layers.",
                           kStages = "backbone.stages.";

bool is_embedding(std::string_view name) {
  return name == "backbone.cls_token" || name == "backbone.mask_token" ||
         name == "backbone.pos_embed";
}

/// The numbers between dots that `name` has behind `prefix`.
int64_t number_behind(const std::string& name, std::string_view prefix, int64_t index) {
  const char* at = name.data() + prefix.size();
  const char* const end = name.data() + name.size();
  for (; index > 0; --index) at = std::min(end, std::find(at, end, '.') + 1);
  int64_t number = -1;
  std::from_chars(at, end, number);
  return number;
}

[[noreturn]] void fail_name(const std::string& name) {
  fail<UsageError>(
      "[optimizer] LearningRateDecayOptimizerConstructor knows the layers of ConvNeXt, ",
      "whose four stages have blocks backbone.stages.<stage>.<block>; got ", name);
}

int64_t stage_of(const std::string& name, std::string_view prefix) {
  const int64_t stage = number_behind(name, prefix, 0);
  if (stage < 0 || stage > 3) fail_name(name);
  return stage;
}

/// 0 for the stem; stages 0 and 1 are a layer each, stage 2 one for every three blocks, and the
/// last stage is the last.
int64_t layer_of(const std::string& name, int64_t last) {
  if (is_embedding(name)) return 0;
  if (name.starts_with(kDownsample)) {
    const int64_t layers[] = {0, 2, 3, last};
    return layers[stage_of(name, kDownsample)];
  }
  if (!name.starts_with(kStages)) return last + 1;
  const int64_t block = number_behind(name, kStages, 1);
  if (block < 0) fail_name(name);
  const int64_t layers[] = {1, 2, 3 + block / 3, last};
  return layers[stage_of(name, kStages)];
}

/// 0 for stem and downsampling, then the stages.
int64_t stage_wise_layer_of(const std::string& name, int64_t count) {
  if (is_embedding(name) || name.starts_with(kDownsample)) return 0;
  return name.starts_with(kStages) ? stage_of(name, kStages) + 1 : count - 1;
}

/// MMDetection's constructor for ConvNeXt: the learning rate falls by decay_rate from layer to
/// layer towards the input; biases and other vectors do not decay.
class LayerDecayConstructor final : public OptimizerConstructor {
 public:
  explicit LayerDecayConstructor(const LayerDecayOptions& options) : options_(options) {
    if (options.num_layers < 1 || !(options.decay_rate > 0)) {
      fail<UsageError>(
          "[optimizer] LearningRateDecayOptimizerConstructor needs paramwise_cfg with num_layers "
          "of "
          "at least 1 and decay_rate above 0, got ",
          options.num_layers, " and ", options.decay_rate);
    }
  }

  std::vector<ParamGroup> groups(Module& model) const override {
    const auto params = model.named_parameters();
    if (std::ranges::none_of(params,
                             [](const auto& p) { return p.first.starts_with(kDownsample); })) {
      fail<UsageError>("[optimizer] LearningRateDecayOptimizerConstructor is for models with a ",
                       "ConvNeXt backbone; this one has no ", kDownsample);
    }
    const int64_t count = options_.num_layers + 2;
    ParamGroups groups;
    for (const auto& [name, param] : params) {
      if (!param.requires_grad()) continue;
      const bool decays = param.shape().dims() != 1 && !name.ends_with(".bias") &&
                          name != "pos_embed" && name != "cls_token";
      const int64_t layer = options_.decay_type == DecayType::LayerWise
                                ? layer_of(name, options_.num_layers)
                                : stage_wise_layer_of(name, count);
      groups.add(name, param,
                 {.lr_mult = std::pow(options_.decay_rate, static_cast<double>(count - layer - 1)),
                  .decay_mult = decays ? 1.0 : 0.0});
    }
    return groups.take();
  }

 private:
  LayerDecayOptions options_;
};

const Registration<OptimizerConstructor, LayerDecayConstructor, LayerDecayOptions> kLayerDecay{
    "LearningRateDecayOptimizerConstructor", "rates that fall from layer to layer"};

}  // namespace
}  // namespace kestrel
