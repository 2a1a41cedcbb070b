#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include <kestrel/detection/init_cfg.h>
#include <kestrel/layers/conv_module.h>
#include <kestrel/layers/init.h>
#include <kestrel/layers/linear.h>
#include <kestrel/tensor/random.h>

#include "../support/error_of.h"

namespace kestrel {
namespace {

/// A convolution with norm, a plain one and a linear layer.
struct InitNet : Module {
  InitNet()
      : body(add<ConvModule>("body", ConvModuleOptions{.in_channels = 32,
                                                       .out_channels = 64,
                                                       .kernel_size = 3,
                                                       .bias = true,
                                                       .norm_cfg = NormOptions{}})),
        cls(add<Conv2d>("cls", Conv2dOptions{.in_channels = 64, .out_channels = 96})),
        fc(add<Linear>("fc", 128, 64)) {}
  ConvModule& body;
  Conv2d& cls;
  Linear& fc;
};

struct Moments {
  double mean = 0, std = 0, least = 0, most = 0;
};

Moments moments_of(const Variable& weight) {
  Moments m{.least = 1e9, .most = -1e9};
  double squares = 0;
  for (const float v : weight.data().values<float>()) {
    m.mean += v;
    squares += static_cast<double>(v) * v;
    m.least = std::min<double>(m.least, v);
    m.most = std::max<double>(m.most, v);
  }
  const auto n = static_cast<double>(weight.numel());
  m.mean /= n;
  m.std = std::sqrt(squares / n - m.mean * m.mean);
  return m;
}

bool init_net(InitNet& net, const std::string& text) {
  Philox random(3);
  return init_by_config(net, Config::parse(text), random);
}

// Of 18,432 values, a mean lies within 3 % of the spread and a spread within 2 % of itself, four
// standard errors each.
void expect_spread(const Variable& weight, double mean, double std) {
  const Moments m = moments_of(weight);
  EXPECT_NEAR(m.mean, mean, 0.03 * std);
  EXPECT_NEAR(m.std, std, 0.022 * std);
}

TEST(InitCfg, EachDistributionHasItsMoments) {
  InitNet net;
  const Variable& weight = net.body.conv.weight;  // (64, 3, 3, 32)
  const double in = 9 * 32;
  const double out = 9 * 64;
  init_net(net, "{type: Normal, mean: 0.5, std: 0.2, layer: Conv2d}");
  expect_spread(weight, 0.5, 0.2);
  init_net(net, "{type: Uniform, a: -1, b: 3, layer: Conv2d}");
  expect_spread(weight, 1, 4 / std::sqrt(12));
  EXPECT_GE(moments_of(weight).least, -1);
  EXPECT_LE(moments_of(weight).most, 3);
  init_net(net, "{type: Xavier, layer: Conv2d}");
  expect_spread(weight, 0, std::sqrt(2 / (in + out)));
  init_net(net, "{type: Xavier, gain: 2, distribution: uniform, layer: [Linear, Conv2d]}");
  expect_spread(weight, 0, 2 * std::sqrt(2 / (in + out)));
  EXPECT_LE(moments_of(weight).most, 2 * std::sqrt(6 / (in + out)));
  init_net(net, "{type: Kaiming, layer: Conv2d}");
  expect_spread(weight, 0, std::sqrt(2 / out));
  init_net(net, "{type: Kaiming, a: 1, mode: fan_in, nonlinearity: relu, layer: Conv2d}");
  expect_spread(weight, 0, std::sqrt(2 / in));  // relu has no slope
  init_net(net, "{type: Kaiming, a: 2, nonlinearity: leaky_relu, layer: Conv2d}");
  expect_spread(weight, 0, std::sqrt(2 / 5.0 / out));
  init_net(net, "{type: Caffe2Xavier, layer: Conv2d}");
  expect_spread(weight, 0, std::sqrt(1 / in));
  EXPECT_LE(moments_of(weight).most, std::sqrt(3 / in));
  // A normal distribution within one standard deviation has 0.5396 of its spread.
  init_net(net, "{type: TruncNormal, std: 0.1, a: -0.1, b: 0.1, layer: Conv2d}");
  expect_spread(weight, 0, 0.05396);
  EXPECT_LE(moments_of(weight).most, 0.1);
  init_net(net, "{type: Constant, val: 0.25, bias: 2, layer: Conv2d}");
  EXPECT_EQ(moments_of(weight).least, 0.25);
  EXPECT_EQ(moments_of(net.cls.bias).most, 2);
}

TEST(InitCfg, RulesAreForTheirLayersAndTheRestIsAsInPyTorch) {
  InitNet net;
  init::constant(net.fc.weight, 7);
  EXPECT_TRUE(init_net(net,
                       "{type: Normal, std: 0.01, layer: Conv2d, override: "
                       "{type: Normal, name: cls, std: 0.05, bias_prob: 0.01}}"));
  expect_spread(net.body.conv.weight, 0, 0.01);
  EXPECT_EQ(moments_of(net.body.conv.bias).most, 0);
  EXPECT_NEAR(moments_of(net.cls.weight).std, 0.05, 0.003);
  EXPECT_FLOAT_EQ(static_cast<float>(moments_of(net.cls.bias).mean), -4.59512F);
  EXPECT_NEAR(moments_of(net.fc.weight).std, 1 / std::sqrt(3 * 128.0), 0.002);

  init_net(net,
           "[{type: Constant, val: 3, layer: _BatchNorm}, {type: Constant, val: 1, layer: "
           "Linear}, {type: Constant, val: 5, override: [{name: fc}]}]");
  EXPECT_EQ(moments_of(net.fc.weight).least, 5) << "the later rule counts";
  for (const auto& [name, parameter] : net.named_parameters()) {
    if (name != "body.bn.weight") continue;
    EXPECT_EQ(moments_of(parameter).least, 3);
  }
}

TEST(InitCfg, NothingAndPretrainedAreForOthers) {
  InitNet net;
  init::constant(net.fc.weight, 7);
  Philox random(0);
  EXPECT_FALSE(init_by_config(net, Config(), random));
  EXPECT_FALSE(init_net(net, "{type: Pretrained, checkpoint: x.pth}"));
  EXPECT_EQ(moments_of(net.fc.weight).least, 7);
}

TEST(InitCfg, SaysWhatIsWrong) {
  const auto error = [](const std::string& text) {
    return test::error_of<UsageError>([&] { check_init_cfg(Config::parse(text)); });
  };
  EXPECT_NE(error("{type: Normall}").find("'Normal'"), std::string::npos);
  EXPECT_NE(error("{type: Normal, sdt: 1}").find("std"), std::string::npos);
  EXPECT_NE(error("{type: Normal, layer: Conv}").find("Conv2d"), std::string::npos);
  EXPECT_NE(error("{type: Normal, override: {std: 1}}").find("name"), std::string::npos);
  EXPECT_NE(error("{type: Pretrained}").find("checkpoint"), std::string::npos);
  InitNet net;
  EXPECT_NE(test::error_of<UsageError>([&] {
              init_net(net, "{type: Normal, override: {name: head}}");
            }).find("head"),
            std::string::npos);
}

}  // namespace
}  // namespace kestrel
