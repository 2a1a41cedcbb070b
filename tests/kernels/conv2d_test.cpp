#include "conv2d_reference.h"

#include <gtest/gtest.h>

#include <vector>

#include <kestrel/kernels/parallel.h>

namespace kestrel {
namespace {

using namespace conv2d_test;

TEST(Conv2d, ForwardFloat32) {
  for (const Case& c : cases()) check_forward<float>(c);
}
TEST(Conv2d, ForwardFloat64) {
  for (const Case& c : cases()) check_forward<double>(c);
}
TEST(Conv2d, ForwardBFloat16) {
  for (const Case& c : cases()) check_forward<bfloat16>(c);
}
TEST(Conv2d, BackwardDataFloat32) {
  for (const Case& c : cases()) check_backward_data<float>(c);
}
TEST(Conv2d, BackwardDataFloat64) {
  for (const Case& c : cases()) check_backward_data<double>(c);
}
TEST(Conv2d, BackwardDataBFloat16) {
  for (const Case& c : cases()) check_backward_data<bfloat16>(c);
}
TEST(Conv2d, BackwardWeightsFloat32) {
  for (const Case& c : cases()) check_backward_weights<float, float>(c);
}
TEST(Conv2d, BackwardWeightsFloat64) {
  for (const Case& c : cases()) check_backward_weights<double, double>(c);
}
TEST(Conv2d, BackwardWeightsBFloat16) {
  for (const Case& c : cases()) {
    check_backward_weights<bfloat16, bfloat16>(c);
    check_backward_weights<bfloat16, float>(c);
  }
}

TEST(Conv2d, BFloat16TakesAFloat32Bias) {
  const Case c{"bias", 1, 9, 10, 16, 32, 3, 3, {.pad_h = 1, .pad_w = 1}};
  auto input = random_data<bfloat16>(c.input(), 1);
  auto weight = random_data<bfloat16>(c.weight(), 2);
  auto bias = random_data<float>({c.outputs}, 3);
  Data<bfloat16> output(c.output());
  cpu::conv2d_forward(input.view(), weight.view(), bias.view(), {}, output.view(), c.params);
  EXPECT_LE(relative_error(output, forward_reference(c, input, weight, bias, Data<bfloat16>())),
            tolerance<bfloat16>());
}

TEST(Conv2d, ResidualMayBeTheOutput) {
  for (const int64_t kernel : {1, 3}) {
    const Case c{"in place", 1,      19,
                 23,         32,     64,
                 kernel,     kernel, {.pad_h = kernel / 2, .pad_w = kernel / 2, .relu = true}};
    auto input = random_data<float>(c.input(), 1);
    auto weight = random_data<float>(c.weight(), 2);
    auto residual = random_data<float>(c.output(), 3);
    auto output = residual;
    cpu::conv2d_forward(input.view(), weight.view(), {}, output.view(), output.view(), c.params);
    EXPECT_LE(relative_error(output, forward_reference(c, input, weight, Data<float>(), residual)),
              tolerance<float>());
  }
}

TEST(Conv2d, ThreadsDoNotChangeABit) {
  std::vector<Case> some = cases();
  some.push_back({"map", 2, 60, 70, 64, 64, 3, 3, {.pad_h = 1, .pad_w = 1}});
  some.push_back({"map_pointwise", 2, 60, 70, 64, 128, 1, 1});
  const int before = num_threads();
  for (const Case& c : some) {
    set_num_threads(1);
    const auto one = run_all<float>(c);
    const auto one_bf16 = run_all<bfloat16>(c);
    for (const int threads : {2, 3}) {
      set_num_threads(threads);
      const auto many = run_all<float>(c);
      const auto many_bf16 = run_all<bfloat16>(c);
      for (size_t i = 0; i < one.size(); ++i) {
        EXPECT_TRUE(same_bytes(one[i], many[i])) << c.name << " result " << i;
        EXPECT_TRUE(same_bytes(one_bf16[i], many_bf16[i])) << c.name << " bfloat16 result " << i;
      }
    }
  }
  set_num_threads(before);
}

TEST(Conv2d, WeightScaleMultipliesTheWeights) {
  for (Case c : {Case{"pointwise", 1, 9, 10, 24, 40, 1, 1},
                 {"three", 1, 16, 17, 20, 36, 3, 3},
                 {"stem", 1, 20, 21, 3, 16, 7, 7, {.stride_h = 2, .stride_w = 2}},
                 {"groups", 1, 9, 11, 16, 32, 3, 3, {.groups = 2}},
                 {"odd_groups", 1, 9, 11, 15, 21, 3, 3, {.groups = 3}}}) {
    SCOPED_TRACE(c.name);
    auto input = random_data<float>(c.input(), 1), weight = random_data<float>(c.weight(), 2);
    const auto scale = random_data<float>({c.outputs}, 3);
    auto scaled = weight;
    const int64_t depth = weight.shape.numel() / c.outputs;
    for (size_t i = 0; i < scaled.values.size(); ++i) {
      scaled.values[i] *= scale.values[i / static_cast<size_t>(depth)];
    }
    Data<float> output(c.output());
    c.params.weight_scale = scale.values.data();
    cpu::conv2d_forward(input.view(), weight.view(), {}, {}, output.view(), c.params);
    const Data<float> none;
    EXPECT_LE(relative_error(output, forward_reference(c, input, scaled, none, none)),
              tolerance<float>());
  }
  Case depthwise{"depthwise", 1, 5, 5, 8, 8, 3, 3, {.groups = 8}};
  auto input = random_data<float>(depthwise.input(), 1);
  auto weight = random_data<float>(depthwise.weight(), 2);
  Data<float> output(depthwise.output());
  depthwise.params.weight_scale = weight.values.data();
  EXPECT_THROW(
      cpu::conv2d_forward(input.view(), weight.view(), {}, {}, output.view(), depthwise.params),
      Error);
}

TEST(Conv2d, WeightKeysAreCachedAndForgotten) {
  for (const int64_t kernel : {1, 3, 5}) {
    Case c{"keys", 1,      20,
           23,     32,     32,
           kernel, kernel, {.pad_h = kernel / 2, .pad_w = kernel / 2, .weight_key = 9000}};
    auto input = random_data<float>(c.input(), 1);
    auto grad_output = random_data<float>(c.output(), 5);
    Data<float> output(c.output()), grad_input(c.input());
    auto first = random_data<float>(c.weight(), 10), second = random_data<float>(c.weight(), 11);
    const auto run = [&](Data<float>& weight) {
      cpu::conv2d_forward(input.view(), weight.view(), {}, {}, output.view(), c.params);
      cpu::conv2d_backward_data(grad_output.view(), weight.view(), grad_input.view(), c.params);
    };
    const auto expect = [&](Data<float>& weight) {
      const std::vector<Data<float>> keyed = {output, grad_input};
      c.params.weight_key = 0;
      run(weight);
      c.params.weight_key = 9000;
      EXPECT_TRUE(same_bytes(keyed[0], output));
      EXPECT_TRUE(same_bytes(keyed[1], grad_input));
    };
    run(first);
    expect(first);
    run(first);  // from the cache
    expect(first);
    cpu::conv2d_forget(9000);
    run(second);  // the same key, other contents
    expect(second);
    c.params.weight_key = 9001;
    run(first);
    expect(first);
    cpu::conv2d_forget(9000);
    cpu::conv2d_forget(9001);
  }
}

TEST(Conv2d, RefusesWhatDoesNotFit) {
  Data<float> input(Shape{1, 8, 8, 16}), weight(Shape{32, 3, 3, 16}), output(Shape{1, 8, 8, 32});
  const Conv2dParams pad{.pad_h = 1, .pad_w = 1};
  EXPECT_NO_THROW(cpu::conv2d_forward(input.view(), weight.view(), {}, {}, output.view(), pad));
  EXPECT_THROW(cpu::conv2d_forward(input.view(), weight.view(), {}, {}, output.view(), {}), Error);
  EXPECT_THROW(cpu::conv2d_forward(input.view(), weight.view(), {}, {}, output.view(),
                                   {.pad_h = 1, .pad_w = 1, .groups = 2}),
               Error);
  EXPECT_THROW(cpu::conv2d_forward(input.view(), weight.view(), {}, {}, output.view(),
                                   {.stride_h = 0, .pad_h = 1, .pad_w = 1}),
               Error);
  Data<float> bias(Shape{31});
  EXPECT_THROW(
      cpu::conv2d_forward(input.view(), weight.view(), bias.view(), {}, output.view(), pad), Error);
  Data<double> other(Shape{1, 8, 8, 16});
  EXPECT_THROW(cpu::conv2d_forward(other.view(), weight.view(), {}, {}, output.view(), pad), Error);
  EXPECT_THROW(cpu::conv2d_backward_data(output.view(), weight.view(), other.view(), pad), Error);
}

TEST(Conv2d, LeavesFloat16ToGpus) {
  Data<float16> input(Shape{1, 8, 8, 16}), weight(Shape{32, 3, 3, 16}), output(Shape{1, 8, 8, 32});
  const Conv2dParams pad{.pad_h = 1, .pad_w = 1};
  EXPECT_THROW(cpu::conv2d_forward(input.view(), weight.view(), {}, {}, output.view(), pad), Error);
  EXPECT_THROW(cpu::conv2d_backward_data(output.view(), weight.view(), input.view(), pad), Error);
  EXPECT_THROW(cpu::conv2d_backward_weights(input.view(), output.view(), weight.view(), {}, pad),
               Error);
}

}  // namespace
}  // namespace kestrel
