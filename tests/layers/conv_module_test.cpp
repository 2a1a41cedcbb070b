#include <kestrel/layers/conv_module.h>

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <kestrel/layers/context_block.h>
#include <kestrel/registry/registry.h>
#include <kestrel/tensor/random.h>
#include <kestrel/tensor/safetensors.h>

#include "../support/error_of.h"
#include "../support/on_device.h"

namespace kestrel::test {
namespace {

/// What tests/golden/conv_modules.py wrote down.
class Goldens {
 public:
  Goldens()
      : contents_(read_safetensors(KESTREL_TEST_DIR "/golden/data/conv_modules.safetensors")),
        cases_(nlohmann::json::parse(contents_.metadata.at("cases"))) {}

  const nlohmann::json& cases() const { return cases_; }
  Tensor tensor(const std::string& name) const {
    for (const auto& [key, value] : contents_.tensors) {
      if (key == name) return value;
    }
    return {};
  }
  StateDict parameters(const std::string& name) const {
    StateDict state;
    const std::string prefix = name + "/param.";
    for (const auto& [key, value] : contents_.tensors) {
      if (key.starts_with(prefix)) state.emplace_back(key.substr(prefix.size()), value);
    }
    return state;
  }

 private:
  Safetensors contents_;
  nlohmann::json cases_;
};

struct Built {
  std::unique_ptr<Module> module;
  std::function<Variable(const Variable&)> forward;
};

/// A config's keys that a DepthwiseSeparableConvModule has beside those of a ConvModule.
DepthwiseSeparableConvModuleOptions separable_options(Config config) {
  DepthwiseSeparableConvModuleOptions options;
  const auto take = [&](const char* key, auto read) {
    if (const Config* found = config.find(key)) {
      read(*found);
      config.erase(key);
    }
  };
  const auto norm = [](std::optional<std::optional<NormOptions>>& to) {
    return [&to](const Config& node) {
      to.emplace();
      if (!node.is_null()) to->emplace().read(node);
    };
  };
  const auto act = [](std::optional<Config>& to) {
    return [&to](const Config& node) { to = node; };
  };
  take("dw_norm_cfg", norm(options.dw_norm_cfg));
  take("pw_norm_cfg", norm(options.pw_norm_cfg));
  take("dw_act_cfg", act(options.dw_act_cfg));
  take("pw_act_cfg", act(options.pw_act_cfg));
  options.conv = read_options<ConvModuleOptions>(config);
  return options;
}

Built build_layer(const nlohmann::json& golden) {
  Config config = Config::parse(golden.at("config").dump());
  const std::string kind = golden.at("kind");
  Built built;
  const auto keep = [&](auto module) {
    auto* layer = module.get();
    built = {std::move(module), [layer](const Variable& x) { return layer->forward(x); }};
  };
  if (kind == "ConvModule") {
    keep(std::make_unique<ConvModule>(read_options<ConvModuleOptions>(config)));
  } else if (kind == "DepthwiseSeparableConvModule") {
    keep(std::make_unique<DepthwiseSeparableConvModule>(separable_options(config)));
  } else if (kind == "ContextBlock") {
    const int64_t channels = config.at("in_channels").as_int();
    config.erase("in_channels");
    config.set("type", kind);
    keep(make_block(config, channels));
  }
  return built;
}

/// The largest difference, relative to the largest number that is expected.
double difference(const Tensor& got, const Tensor& want) {
  if (got.shape() != want.shape()) return INFINITY;
  const Tensor a = got.to(Device::cpu()).to(DType::Float64), b = want.to(DType::Float64);
  double worst = 0, largest = 0.05;  // some gradients are zero but for rounding
  for (int64_t i = 0; i < a.numel(); ++i) {
    const double distance = std::abs(a.data<double>()[i] - b.data<double>()[i]);
    worst = std::isnan(distance) ? INFINITY : std::max(worst, distance);
    largest = std::max(largest, std::abs(b.data<double>()[i]));
  }
  return worst / largest;
}

class ConvModules : public OnDevice {};

/// Forward and backward in float32, against float64: sums of up to 100 products, and of gradients
/// through the statistics of a batch of 24 pixels. The bias before a norm has almost none, 1.5e-6
/// from it with the exponentials of one processor's library and less with another's.
TEST_P(ConvModules, GiveMmcvsOutputsAndGradients) {
  constexpr double kTolerance = 4e-5;
  const Goldens goldens;
  int cases = 0;
  for (const auto& [name, golden] : goldens.cases().items()) {
    const Built built = build_layer(golden);
    if (!built.module) continue;
    SCOPED_TRACE(name);
    built.module->load_state_dict(goldens.parameters(name));
    built.module->to(device());
    built.module->train(golden.at("train"));
    const Variable x(goldens.tensor(name + "/x").to(device()).clone(), true);
    const Variable y = built.forward(x);
    EXPECT_LE(difference(y.data(), goldens.tensor(name + "/output")), kTolerance);
    y.backward(goldens.tensor(name + "/grad_output").to(device()));
    EXPECT_LE(difference(x.grad(), goldens.tensor(name + "/grad_x")), kTolerance);
    for (const auto& [parameter, variable] : built.module->named_parameters()) {
      const Tensor want = goldens.tensor(name + "/grad." + parameter);
      ASSERT_TRUE(variable.grad() && want) << parameter;
      EXPECT_LE(difference(variable.grad(), want), kTolerance) << parameter;
    }
    ++cases;
  }
  EXPECT_GE(cases, 35);
}

/// Evaluation without gradients has a path of its own, with folded weights.
TEST_P(ConvModules, GiveTheSameWithoutGradients) {
  const Goldens goldens;
  for (const auto& [name, golden] : goldens.cases().items()) {
    if (golden.at("train")) continue;
    const Built built = build_layer(golden);
    if (!built.module) continue;
    SCOPED_TRACE(name);
    built.module->load_state_dict(goldens.parameters(name));
    built.module->to(device());
    built.module->eval();
    const autograd::NoGrad no_grad;
    const Variable y = built.forward(Variable(goldens.tensor(name + "/x").to(device())));
    EXPECT_LE(difference(y.data(), goldens.tensor(name + "/output")), 3e-5);
  }
}

KESTREL_ON_DEVICES(ConvModules);

std::vector<std::string> names_of(Module& module) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : module.state_dict()) names.push_back(name);
  return names;
}

ConvModuleOptions options_of(const std::string& yaml) {
  return read_options<ConvModuleOptions>(
      Config::parse("{in_channels: 4, out_channels: 8" + yaml + "}"));
}

TEST(ConvModule, NamesItsPartsAsMmcv) {
  using Names = std::vector<std::string>;
  const auto names = [](const std::string& yaml) {
    ConvModule module(options_of(yaml));
    return names_of(module);
  };
  EXPECT_EQ(names(""), (Names{"conv.weight", "conv.bias"}));
  EXPECT_EQ(names(", bias: false"), (Names{"conv.weight"}));
  EXPECT_EQ(names(", norm_cfg: {type: SyncBN}"),
            (Names{"conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"}));
  EXPECT_EQ(names(", norm_cfg: {type: GN, num_groups: 2}, bias: true"),
            (Names{"conv.weight", "conv.bias", "gn.weight", "gn.bias"}));
  EXPECT_EQ(names(", norm_cfg: {type: LN}"), (Names{"conv.weight", "ln.weight", "ln.bias"}));
  EXPECT_EQ(names(", norm_cfg: {type: IN}"), (Names{"conv.weight"}));
  EXPECT_EQ(names(", norm_cfg: {type: IN, affine: true}"),
            (Names{"conv.weight", "in.weight", "in.bias"}));
  EXPECT_EQ(names(", act_cfg: {type: PReLU}"),
            (Names{"conv.weight", "conv.bias", "activate.weight"}));
  EXPECT_EQ(names(", norm_cfg: {type: BN}, conv_cfg: {type: DCNv2, deform_groups: 2}"),
            (Names{"conv.weight", "conv.conv_offset.weight", "conv.conv_offset.bias", "bn.weight",
                   "bn.bias", "bn.running_mean", "bn.running_var"}));
}

TEST(ConvModule, RefusesWhatItCannotDo) {
  const auto error = [](const std::string& yaml) {
    return error_of<UsageError>([&] { ConvModule module(options_of(yaml)); });
  };
  EXPECT_EQ(error(", with_spectral_norm: true"),
            "[conv_module] with_spectral_norm is not supported; leave it out");
  EXPECT_EQ(error(", padding_mode: reflect"),
            "[conv_module] padding_mode must be zeros, got 'reflect'");
  EXPECT_EQ(error(", order: [conv, act, act]"),
            "[conv_module] order must have conv, norm and act, each once, got (conv, act, act)");
  EXPECT_EQ(error(", bias: maybe"),
            "config:1: bias: bias must be auto, true or false, got \"maybe\"");
  for (const std::string what : {"conv", "norm", "act"}) {
    const std::string text = error(", " + what + "_cfg: {type: Nonsense}");
    EXPECT_NE(text.find("Nonsense"), std::string::npos) << text;
    EXPECT_NE(text.find(what == "conv"   ? "DCNv2"
                        : what == "norm" ? "GN"
                                         : "LeakyReLU"),
              std::string::npos)
        << text;
  }
  const std::string text = error(", act_cfg: {type: LeakyReLU, slope: 0.1}");
  EXPECT_NE(text.find("slope"), std::string::npos) << text;
}

TEST(ConvModule, StartsAsMmcvSays) {
  ConvModule module(options_of(
      ", kernel_size: 3, norm_cfg: {type: BN}, act_cfg: {type: LeakyReLU, negative_slope: 0.2}"));
  Philox random(3);
  module.init_weights(random);
  double squares = 0;
  for (const float value : module.conv.weight.data().values<float>()) {
    squares += double{value} * value;
  }
  // Kaiming normal by fan out: 2 / ((1 + 0.2^2) * 8 * 9), from 288 numbers.
  const double variance = squares / static_cast<double>(module.conv.weight.numel());
  EXPECT_NEAR(variance, 2 / (1.04 * 72), 0.25 * 2 / (1.04 * 72));

  ConvModule deformable(
      options_of(", kernel_size: 3, padding: 1, conv_cfg: {type: DCN}"
                 ", bias: false"));
  deformable.init_weights(random);
  for (const auto& [name, parameter] : deformable.named_parameters()) {
    if (name.find("conv_offset") == std::string::npos) continue;
    for (const float value : parameter.data().values<float>()) ASSERT_EQ(value, 0) << name;
  }
}

/// Twice the input: what a plug-in registers.
struct DoubleOptions {
  double factor = 2;
  template <class V>
  void visit(V& v) {
    v("factor", factor);
  }
};
class DoubleNorm : public Norm {
 public:
  DoubleNorm(const DoubleOptions& options, int64_t channels)
      : factor_(options.factor), channels_(channels) {}
  Variable forward(const Variable& x, bool, const Variable&) override {
    Tensor y = x.data().clone();
    for (int64_t i = 0; i < y.numel(); ++i) {
      y.data<float>()[i] *= static_cast<float>(factor_ * static_cast<double>(channels_));
    }
    return Variable(y);
  }
  std::string abbreviation() const override { return "double"; }

 private:
  double factor_;
  int64_t channels_;
};
const Registration<Norm, DoubleNorm, DoubleOptions, int64_t> kDoubleNorm{"TestDoubleNorm"};

TEST(ConvModule, TakesANormThatAPlugInRegistered) {
  ConvModule module(options_of(", act_cfg: null, norm_cfg: {type: TestDoubleNorm, factor: 0.5}"));
  module.conv.weight.data().fill(1);
  const Variable y = module.forward(Variable(Tensor::full({1, 1, 1, 4}, 1)));
  EXPECT_EQ(y.data().data<float>()[7], 4 * 0.5F * 8);
  EXPECT_NE(error_of<UsageError>([&] {
              ConvModule wrong(options_of(", norm_cfg: {type: TestDoubleNorm, momentum: 0.5}"));
            }).find("momentum"),
            std::string::npos);
}

TEST(ContextBlock, RefusesAnEmptyBottleneck) {
  EXPECT_EQ(error_of<UsageError>([] { ContextBlock block({.ratio = 0.01}, 16); }),
            "[context_block] ratio 0.01 of 16 channels is less than one");
}

TEST(Activation, ClampHasBounds) {
  const auto clamp = make_activation(Config::parse("{type: Clamp, min: -0.5, max: 2}"));
  const Variable y = clamp->forward(Variable(Tensor::from<float>({-1, 0, 3}, {3})));
  EXPECT_EQ(y.data().values<float>()[0], -0.5F);
  EXPECT_EQ(y.data().values<float>()[2], 2);
}

TEST(LayerNorm, NormalisesTheChannelsOfEachPixel) {
  LayerNorm norm(3);
  const Variable y =
      norm.forward(Variable(Tensor::from<float>({1, 2, 3, -4, -4, -4}, {1, 2, 1, 3})));
  const auto values = y.data().values<float>();
  EXPECT_NEAR(values[0], -1.2247, 1e-3);
  EXPECT_NEAR(values[2], 1.2247, 1e-3);
  EXPECT_EQ(values[4], 0);
}

}  // namespace
}  // namespace kestrel::test
