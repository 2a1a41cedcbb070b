#include <fstream>
#include <map>
#include <numeric>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/engine/optimizers/optimizer.h>
#include <kestrel/layers/conv2d.h>
#include <kestrel/layers/deform_conv2d.h>
#include <kestrel/layers/linear.h>
#include <kestrel/layers/norm.h>

namespace kestrel {
namespace {

using nlohmann::json;
/// Learning rate and weight decay by parameter.
using Rates = std::map<std::string, std::pair<double, double>>;

const json& golden_groups() {
  static const auto file =
      json::parse(std::ifstream(std::string(KESTREL_TEST_DIR) + "/golden/data/param_groups.json"));
  return file;
}

Rates rates_of(const Optimizer& optimizer) {
  Rates rates;
  for (const ParamGroup& group : optimizer.groups()) {
    for (const auto& [name, param] : group.params) {
      EXPECT_FALSE(rates.contains(name)) << name;
      if (param.requires_grad()) rates[name] = {group.lr, group.weight_decay};
    }
  }
  return rates;
}

Config sgd_config(const json& paramwise) {
  json config = {{"type", "SGD"},
                 {"lr", golden_groups()["lr"]},
                 {"weight_decay", golden_groups()["weight_decay"]},
                 {"paramwise_cfg", paramwise}};
  return Config::parse(config.dump());
}

void expect_rates(const Rates& got, const Rates& want, const std::string& what) {
  for (const auto& [name, pair] : want) {
    const auto found = got.find(name);
    ASSERT_NE(found, got.end()) << what << ": " << name;
    EXPECT_DOUBLE_EQ(found->second.first, pair.first) << what << ": " << name;
    EXPECT_DOUBLE_EQ(found->second.second, pair.second) << what << ": " << name;
  }
  EXPECT_EQ(got.size(), want.size()) << what;
}

/// The model of tests/golden/param_groups.py.
struct SmallNet : Module {
  struct Backbone : Module {
    Backbone() {
      add<Conv2d>("0", Conv2dOptions{.in_channels = 4, .out_channels = 4, .kernel_size = 3});
      add<BatchNorm2d>("1", 4).bias.set_requires_grad(false);
      add<Conv2d>(
          "2", Conv2dOptions{.in_channels = 4, .out_channels = 8, .kernel_size = 3, .groups = 4});
      add<GroupNorm>("3", 8, NormOptions{.type = "GN", .num_groups = 2});
    }
  };
  struct Neck : Module {
    Neck() {
      add<DeformConv2dPack>("0", DeformConv2dOptions{.in_channels = 4, .out_channels = 4});
      add<ModulatedDeformConv2dPack>("1", DeformConv2dOptions{.in_channels = 4, .out_channels = 4});
    }
  };
  SmallNet() {
    add_parameter("weight", Tensor::zeros({3}));
    add<Backbone>("backbone");
    add<Neck>("neck");
    add<Conv2d>("conv_offset", Conv2dOptions{.in_channels = 4, .out_channels = 4});
    add<Linear>("head", 4, 4);
  }
};

Rates rates_of_json(const json& rows) {
  Rates rates;
  for (const auto& [name, pair] : rows.items()) rates[name] = {pair[0], pair[1]};
  return rates;
}

TEST(ParamGroups, FollowMmcvsRules) {
  for (const json& test : golden_groups()["small"]) {
    SmallNet model;
    const auto optimizer = build_optimizer(model, sgd_config(test["paramwise_cfg"]));
    expect_rates(rates_of(*optimizer), rates_of_json(test["params"]), test["paramwise_cfg"].dump());
  }
}

TEST(ParamGroups, OneGroupWithoutRules) {
  SmallNet model;
  const auto groups = make_param_groups(model);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].params.size(), model.parameters().size());
}

/// [lr, weight decay, [names]] rows.
Rates grouped_rates(const json& rows) {
  Rates rates;
  for (const json& row : rows) {
    for (const json& name : row[2]) rates[name] = {row[0], row[1]};
  }
  return rates;
}

TEST(ParamGroups, OfRetinaNetAreMmcvs) {
  for (const json& test : golden_groups()["models"]) {
    std::string file = test["config"];
    file.replace(file.size() - 3, 3, ".yaml");
    const Config config =
        Config::load(std::string(KESTREL_TEST_DIR) + "/../configs/" + file).at("model");
    const auto model = build<BaseDetector>(config);
    const auto optimizer = build_optimizer(*model, sgd_config(test["paramwise_cfg"]));
    expect_rates(rates_of(*optimizer), grouped_rates(test["groups"]), file);
  }
}

/// A model that has nothing but the names and numbers of dimensions of another's parameters.
struct NamedTree : Module {
  NamedTree* child(const std::string& name) {
    const auto [found, is_new] = children.emplace(name, nullptr);
    if (is_new) found->second = &add<NamedTree>(name);
    return found->second;
  }
  void add_named(const std::string& path, int64_t dims) {
    NamedTree* at = this;
    size_t begin = 0;
    for (size_t dot; (dot = path.find('.', begin)) != std::string::npos; begin = dot + 1) {
      at = at->child(path.substr(begin, dot - begin));
    }
    Shape shape{1};
    if (dims == 2) shape = {1, 1};
    if (dims == 4) shape = {1, 1, 1, 1};
    at->add_parameter(path.substr(begin), Tensor::zeros(shape));
  }
  std::map<std::string, NamedTree*> children;
};

TEST(LayerDecay, FollowsMMDetectionsOnConvNeXt) {
  for (const json& test : golden_groups()["decays"]) {
    NamedTree model;
    for (const json& row : golden_groups()["dims"][test["config"]]) {
      for (const json& name : row[1]) model.add_named(name, row[0]);
    }
    const json config = {{"type", "AdamW"},
                         {"lr", 1e-4},
                         {"weight_decay", 0.05},
                         {"paramwise_cfg", test["paramwise_cfg"]},
                         {"constructor", "LearningRateDecayOptimizerConstructor"}};
    const auto optimizer = build_optimizer(model, Config::parse(config.dump()));
    expect_rates(rates_of(*optimizer), grouped_rates(test["groups"]), test["paramwise_cfg"].dump());
  }
}

std::string build_error(Module& model, const std::string& config) {
  try {
    build_optimizer(model, Config::parse(config));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

TEST(LayerDecay, NamesWhatIsWrong) {
  SmallNet small;
  NamedTree odd;
  odd.add_named("backbone.downsample_layers.4.weight", 2);
  const std::string start =
      "{type: AdamW, constructor: LearningRateDecayOptimizerConstructor, paramwise_cfg: ";
  const std::string good = start + "{num_layers: 6, decay_rate: 0.7}}";
  EXPECT_NE(build_error(small, start + "{}}").find("num_layers"), std::string::npos);
  EXPECT_NE(build_error(small, good).find("ConvNeXt"), std::string::npos);
  EXPECT_NE(build_error(odd, good).find("got backbone.downsample_layers.4.weight"),
            std::string::npos)
      << build_error(odd, good);
  EXPECT_NE(build_error(small, start + "{decay_type: block_wise}}").find("layer_wise, stage_wise"),
            std::string::npos);
  EXPECT_NE(build_error(small, "{type: SGD, constructor: Default}").find("Default"),
            std::string::npos);
}

/// Two names for one parameter.
struct Twice : SmallNet {
  Twice() {
    struct Holder : Module {
      explicit Holder(const Tensor& tensor) { add_parameter("weight", tensor); }
    };
    for (const auto& [name, param] : named_parameters()) {
      if (name == "backbone.0.weight") {
        add<Holder>("shared", param.data());
        break;
      }
    }
  }
};

TEST(ParamGroups, AParameterOfTwoNamesIsTrainedOnce) {
  Twice model;
  const auto bypassing =
      build_optimizer(model, sgd_config({{"bypass_duplicate", true}, {"bias_lr_mult", 2.0}}));
  expect_rates(rates_of(*bypassing), rates_of_json(golden_groups()["twice"]), "twice");
  EXPECT_FALSE(
      rates_of(*build_optimizer(model, sgd_config(json::object()))).contains("shared.weight"));
  const std::string error = build_error(model, "{type: SGD, paramwise_cfg: {bias_lr_mult: 2}}");
  EXPECT_NE(error.find("shared.weight is backbone.0.weight"), std::string::npos) << error;
}

/// A policy from outside: every other parameter at half the rate.
struct HalvingOptions {
  double factor = 0.5;
  template <class V>
  void visit(V& v) {
    v("factor", factor);
  }
};
class HalvingConstructor final : public OptimizerConstructor {
 public:
  explicit HalvingConstructor(const HalvingOptions& options) : options_(options) {}
  std::vector<ParamGroup> groups(Module& model) const override {
    ParamGroups groups;
    bool half = false;
    for (const auto& [name, param] : model.named_parameters()) {
      groups.add(name, param, {.lr_mult = half ? options_.factor : 1.0});
      half = !half;
    }
    return groups.take();
  }

 private:
  HalvingOptions options_;
};
const Registration<OptimizerConstructor, HalvingConstructor, HalvingOptions> kHalving{
    "HalvingConstructor"};

TEST(ParamGroups, AnotherPolicyIsChosenByItsName) {
  SmallNet model;
  const auto optimizer = build_optimizer(
      model, Config::parse("{type: SGD, lr: 4, constructor: HalvingConstructor, paramwise_cfg: "
                           "{factor: 0.25}}"));
  const auto& groups = optimizer->groups();
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].lr, 4);
  EXPECT_EQ(groups[1].lr, 1);
  EXPECT_EQ(groups[1].params[0].first, model.named_parameters()[1].first);
}

}  // namespace
}  // namespace kestrel
