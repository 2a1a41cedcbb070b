#include <algorithm>
#include <cmath>
#include <map>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <kestrel/detection/backbones/resnet.h>
#include <kestrel/layers/block.h>
#include <kestrel/registry/options.h>
#include <kestrel/tensor/safetensors.h>

#include "../support/error_of.h"
#include "../support/on_device.h"

namespace kestrel::test {
namespace {

/// Relative to the largest number that is expected.
double worst_difference(const Tensor& got, const Tensor& want) {
  if (got.shape() != want.shape()) return INFINITY;
  const Tensor host = got.to(Device::cpu());
  double worst = 0, largest = 1e-3;
  for (int64_t i = 0; i < want.numel(); ++i) {
    const double expected = want.data<float>()[i];
    const double distance = std::abs(host.data<float>()[i] - expected);
    worst = std::isnan(distance) ? INFINITY : std::max(worst, distance);
    largest = std::max(largest, std::abs(expected));
  }
  return worst / largest;
}

class ResNetPlugins : public OnDevice {};

/// A thin first stage with a ContextBlock in each of the three positions, from
/// tests/golden/conv_modules.py.
TEST_P(ResNetPlugins, GiveMMDetectionsOutputsAndGradients) {
  const Safetensors goldens =
      read_safetensors(KESTREL_TEST_DIR "/golden/data/conv_modules.safetensors");
  const auto cases = nlohmann::json::parse(goldens.metadata.at("cases"));
  int compared = 0;
  for (const auto& [name, golden] : cases.items()) {
    if (golden.at("kind") != "ResNet") continue;
    SCOPED_TRACE(name);
    std::map<std::string, Tensor> tensors;
    StateDict state;
    for (const auto& [key, value] : goldens.tensors) {
      if (!key.starts_with(name + "/")) continue;
      const std::string part = key.substr(name.size() + 1);
      tensors[part] = value;
      if (part.starts_with("param.")) state.emplace_back(part.substr(6), value);
    }
    ResNet resnet(read_options<ResNetOptions>(Config::parse(golden.at("config").dump())));
    resnet.load_state_dict(state);
    resnet.to(device());
    resnet.eval();
    const Variable x(tensors.at("x").to(device()).clone(), true);
    const Variable y = resnet.forward(x).back();
    EXPECT_LE(worst_difference(y.data(), tensors.at("output")), 3e-5);
    y.backward(tensors.at("grad_output").to(device()));
    EXPECT_LE(worst_difference(x.grad(), tensors.at("grad_x")), 1e-4);
    for (const auto& [parameter, variable] : resnet.named_parameters()) {
      const auto want = tensors.find("grad." + parameter);
      if (want == tensors.end()) continue;
      ASSERT_TRUE(variable.grad()) << parameter;
      // A bias before a softmax changes nothing: its gradient is 0, and what is there is rounding.
      const double limit = parameter.ends_with("conv_mask.bias") ? 1e-3 : 1e-4;
      EXPECT_LE(worst_difference(variable.grad(), want->second), limit) << parameter;
      ++compared;
    }
  }
  EXPECT_GE(compared, 60);
}

KESTREL_ON_DEVICES(ResNetPlugins);

ResNetOptions with_plugins(const std::string& yaml, int64_t depth = 50) {
  ResNetOptions options = read_options<ResNetOptions>(Config::parse("{plugins: " + yaml + "}"));
  options.depth = depth;
  options.base_channels = 4;
  options.num_stages = 2;
  options.out_indices = {0, 1};
  return options;
}

std::vector<std::string> blocks_of(const ResNetOptions& options) {
  std::vector<std::string> names;
  ResNet resnet(options);
  for (const auto& [name, module] : resnet.named_modules()) {
    if (dynamic_cast<Block*>(module)) names.push_back(name);
  }
  return names;
}

TEST(ResNetPlugin, AreInTheStagesThatAreNamed) {
  const std::vector<std::string> names = blocks_of(with_plugins(
      "[{cfg: {type: ContextBlock, ratio: 0.25}, stages: [false, true], position: after_conv3},"
      " {cfg: {type: ContextBlock, ratio: 0.25, postfix: 2}, stages: [true, true],"
      " position: after_conv1}]"));
  EXPECT_EQ(names.size(), 4U + 3U + 4U);
  EXPECT_EQ(std::ranges::count(names, "layer1.0.context_block"), 0);
  EXPECT_EQ(std::ranges::count(names, "layer1.0.context_block2"), 1);
  EXPECT_EQ(std::ranges::count(names, "layer2.3.context_block"), 1);
  EXPECT_EQ(std::ranges::count(names, "layer2.3.context_block2"), 1);
}

TEST(ResNetPlugin, ThatCannotBeAreRefused) {
  const std::string context = "[{cfg: {type: ContextBlock, ratio: 0.25}, position: after_conv1}]";
  EXPECT_EQ(error_of<UsageError>([&] { ResNet resnet(with_plugins(context, 18)); }),
            "[resnet] plugins need bottlenecks: depth 50, 101 or 152, got 18");
  EXPECT_EQ(error_of<UsageError>([&] {
              ResNet resnet(with_plugins(
                  "[{cfg: {type: ContextBlock, ratio: 0.25}, stages: [true, true, true, false]}]"));
            }),
            "[resnet] a plugin's stages must say true or false for each of 2 stages, got 4");
  const std::string unknown =
      error_of<UsageError>([&] { ResNet resnet(with_plugins("[{cfg: {type: Context}}]")); });
  EXPECT_NE(unknown.find("ContextBlock"), std::string::npos) << unknown;
}

}  // namespace
}  // namespace kestrel::test
