#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <kestrel/layers/conv_module.h>
#include <kestrel/layers/forward_observer.h>
#include <kestrel/layers/linear.h>

namespace kestrel {
namespace {

/// Notes what it is told, and how deep within other layers.
struct Notes final : ForwardObserver {
  void before(const Module& layer) override {
    begun.push_back(&layer);
    ++depth;
  }
  void after(const Module& layer, const Variable& input, const Variable& output) override {
    --depth;
    ended.push_back(&layer);
    depths.push_back(depth);
    values.emplace_back(input.numel(), output.numel());
  }

  std::vector<const Module*> begun, ended;
  std::vector<int> depths;
  std::vector<std::pair<int64_t, int64_t>> values;
  int depth = 0;
};

TEST(ForwardObserver, SeesLayersAndWhatTheyCall) {
  ConvModule conv({.in_channels = 2,
                   .out_channels = 4,
                   .norm_cfg = NormOptions{.type = "GN", .num_groups = 2}});
  Linear linear(4, 3);
  Notes notes;
  ForwardObserver* before = set_forward_observer(&notes);
  EXPECT_EQ(before, nullptr);
  const Variable y = conv.forward(Variable(Tensor::zeros({1, 5, 5, 2})));
  linear.forward(Variable(y.data().reshape({25, 4})));
  EXPECT_EQ(set_forward_observer(nullptr), &notes);
  conv.forward(Variable(Tensor::zeros({1, 5, 5, 2})));  // nobody looks

  ASSERT_EQ(notes.ended.size(), 3U);
  EXPECT_EQ(notes.begun[0], &conv.conv);
  EXPECT_EQ(notes.ended[1], &conv.conv) << "its norm ends before it";
  EXPECT_EQ(notes.depths, (std::vector<int>{1, 0, 0}));
  EXPECT_EQ(notes.ended[2], &linear);
  EXPECT_EQ(notes.values[1], (std::pair<int64_t, int64_t>{50, 100}));
}

TEST(ForwardObserver, IsOfItsThread) {
  Linear linear(2, 2);
  Notes notes;
  set_forward_observer(&notes);
  std::thread([&] { linear.forward(Variable(Tensor::zeros({1, 2}))); }).join();
  set_forward_observer(nullptr);
  EXPECT_TRUE(notes.begun.empty());
}

}  // namespace
}  // namespace kestrel
