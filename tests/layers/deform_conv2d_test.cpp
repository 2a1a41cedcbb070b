#include <kestrel/layers/deform_conv2d.h>

#include <gtest/gtest.h>

#include <cmath>

#include <kestrel/autograd/functions/conv2d.h>
#include <kestrel/tensor/random.h>

namespace kestrel {
namespace {

std::vector<std::pair<std::string, Shape>> parameters_of(const Module& module) {
  std::vector<std::pair<std::string, Shape>> result;
  for (const auto& [name, parameter] : module.named_parameters()) {
    result.emplace_back(name, parameter.shape());
  }
  return result;
}

Variable normal(const Shape& shape, uint64_t seed) {
  Tensor values = Tensor::empty(shape);
  Philox random(seed);
  fill_normal(values, 0, 1, random);
  return Variable(values);
}

double largest(const Tensor& values) {
  double result = 0;
  for (const float value : values.values<float>()) {
    result = std::max(result, std::abs(static_cast<double>(value)));
  }
  return result;
}

/// Every value of a is `factor` times that of b, up to sums of 72 products in another order.
void expect_multiple(const Tensor& a, const Tensor& b, float factor) {
  ASSERT_EQ(a.shape(), b.shape());
  for (int64_t i = 0; i < a.numel(); ++i) {
    ASSERT_NEAR(a.data<float>()[i], factor * b.data<float>()[i], 1e-5) << i;
  }
}

const DeformConv2dOptions kOptions{.in_channels = 8,
                                   .out_channels = 6,
                                   .stride = 2,
                                   .padding = 1,
                                   .groups = 2,
                                   .deform_groups = 4};

Variable plain(const Variable& x, const Variable& weight) {
  return autograd::conv2d(x, weight, {},
                          {.stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1, .groups = 2});
}

TEST(DeformConv2d, HasMmcvsNamesAndShapes) {
  using Parameters = std::vector<std::pair<std::string, Shape>>;
  const std::pair<std::string, Shape> weight{"weight", {6, 3, 3, 4}}, bias{"bias", {6}};
  EXPECT_EQ(parameters_of(DeformConv2d(kOptions)), (Parameters{weight}));
  EXPECT_EQ(parameters_of(ModulatedDeformConv2d(kOptions)), (Parameters{weight, bias}));
  EXPECT_EQ(
      parameters_of(DeformConv2dPack(kOptions)),
      (Parameters{
          weight, {"conv_offset.weight", {4 * 18, 3, 3, 8}}, {"conv_offset.bias", {4 * 18}}}));
  EXPECT_EQ(parameters_of(ModulatedDeformConv2dPack(kOptions)),
            (Parameters{weight,
                        bias,
                        {"conv_offset.weight", {4 * 27, 3, 3, 8}},
                        {"conv_offset.bias", {4 * 27}}}));
  DeformConv2dOptions without_bias = kOptions;
  without_bias.bias = false;
  EXPECT_EQ(parameters_of(ModulatedDeformConv2d(without_bias)), (Parameters{weight}));
}

TEST(DeformConv2d, StartsAsAPlainConvolution) {
  DeformConv2dPack layer(kOptions);
  Philox random(3);
  layer.init_weights(random);
  const Variable x = normal({2, 7, 6, 8}, 1);
  const Variable y = layer.forward(x);
  EXPECT_EQ(y.shape(), Shape({2, 4, 3, 6}));
  expect_multiple(y.data(), plain(x, layer.weight).data(), 1);
}

TEST(ModulatedDeformConv2d, StartsAsHalfAPlainConvolution) {
  ModulatedDeformConv2dPack layer(kOptions);
  Philox random(3);
  layer.init_weights(random);
  const Variable x = normal({2, 7, 6, 8}, 1);
  expect_multiple(layer.forward(x).data(), plain(x, layer.weight).data(), 0.5f);
}

TEST(ModulatedDeformConv2d, TakesOffsetsFromTwoThirdsOfTheChannelsAndTheMaskFromOne) {
  ModulatedDeformConv2dPack pack(kOptions);
  Philox random(3);
  pack.init_weights(random);
  // conv_offset's weight is zero, so that its bias is what it predicts everywhere.
  Tensor bias = pack.named_parameters().back().second.data();
  const int64_t samples = kOptions.samples();
  std::vector<float> offsets, mask;
  const int64_t pixels = int64_t{2} * 4 * 3;
  for (int64_t i = 0; i < bias.numel(); ++i) {
    bias.data<float>()[i] = std::sin(static_cast<float>(i));
  }
  for (int64_t i = 0; i < pixels; ++i) {
    for (int64_t k = 0; k < 2 * samples; ++k) offsets.push_back(bias.data<float>()[k]);
    for (int64_t k = 2 * samples; k < 3 * samples; ++k) {
      mask.push_back(1 / (1 + std::exp(-bias.data<float>()[k])));
    }
  }
  ModulatedDeformConv2d layer(kOptions);
  layer.weight.data().copy_from(pack.weight.data());
  const Variable x = normal({2, 7, 6, 8}, 1);
  expect_multiple(pack.forward(x).data(),
                  layer
                      .forward(x, Variable(Tensor::from(offsets, {2, 4, 3, 2 * samples})),
                               Variable(Tensor::from(mask, {2, 4, 3, samples})))
                      .data(),
                  1);
}

TEST(DeformConv2d, DrawsItsWeightsAsMmcv) {
  DeformConv2dOptions options{.in_channels = 64, .out_channels = 32, .groups = 2};
  Philox random(9);
  DeformConv2dPack first(options);
  ModulatedDeformConv2dPack second(options);
  first.init_weights(random);
  second.init_weights(random);
  // Kaiming uniform: sqrt(6 / fan_in), with fan_in = 9 * 64 / 2; then 1 / sqrt(9 * 64).
  const double bounds[] = {std::sqrt(6.0 / 288), 1.0 / 24};
  EXPECT_LE(largest(first.weight.data()), bounds[0]);
  EXPECT_GT(largest(first.weight.data()), 0.99 * bounds[0]);
  EXPECT_LE(largest(second.weight.data()), bounds[1]);
  EXPECT_GT(largest(second.weight.data()), 0.99 * bounds[1]);
  EXPECT_EQ(largest(second.bias.data()), 0);
}

TEST(DeformConv2d, GradientsReachTheOffsets) {
  ModulatedDeformConv2dPack layer(kOptions);
  Philox random(3);
  layer.init_weights(random);
  const Variable y = layer.forward(normal({1, 5, 5, 8}, 1));
  y.backward(Tensor::full(y.shape(), 1));
  for (const auto& [name, parameter] : layer.named_parameters()) {
    ASSERT_TRUE(parameter.grad().defined()) << name;
    EXPECT_GT(largest(parameter.grad()), 0) << name;
  }
}

TEST(DeformConv2d, RefusesWhatDoesNotFit) {
  EXPECT_THROW(DeformConv2d({.in_channels = 6, .out_channels = 6, .deform_groups = 4}), Error);
  EXPECT_THROW(DeformConv2d({.in_channels = 6, .out_channels = 5, .groups = 2}), Error);
  EXPECT_THROW(DeformConv2d({.in_channels = 6, .out_channels = 6, .bias = true}), Error);
  DeformConv2d layer({.in_channels = 6, .out_channels = 6, .padding = 1});
  EXPECT_THROW(layer.forward(normal({1, 4, 4, 6}, 1), normal({1, 4, 4, 9}, 2)), Error);
  EXPECT_THROW(layer.forward(normal({1, 4, 4, 6}, 1), normal({1, 3, 4, 18}, 2)), Error);
  EXPECT_THROW(layer.forward(normal({1, 4, 4, 5}, 1), normal({1, 4, 4, 18}, 2)), Error);
}

}  // namespace
}  // namespace kestrel
