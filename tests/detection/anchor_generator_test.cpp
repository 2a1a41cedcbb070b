#include <gtest/gtest.h>

#include <kestrel/detection/anchors/anchor_generator.h>

#include "detection_golden.h"

namespace kestrel {
namespace {

using test::detection_golden;
using test::expect_near;

AnchorGeneratorOptions retina() {
  return {.strides = {8, 16, 32, 64, 128},
          .ratios = {0.5, 1.0, 2.0},
          .octave_base_scale = 4,
          .scales_per_octave = 3};
}

AnchorGeneratorOptions torchvision(const nlohmann::json& golden) {
  AnchorGeneratorOptions options{.strides = {8, 16, 32, 64, 128}, .ratios = {0.5, 1.0, 2.0}};
  options.sizes = golden.at("sizes").get<std::vector<std::vector<double>>>();
  options.round_base_anchors = true;
  options.strides_from_image = true;
  return options;
}

TEST(AnchorGenerator, BaseAnchorsAreThoseOfMMDetectionNotRounded) {
  const AnchorGenerator generator(retina());
  const auto golden = detection_golden("mmdet_base_anchors");
  ASSERT_EQ(generator.num_levels(), 5u);
  for (size_t level = 0; level < 5; ++level) {
    // The same operations in float32; exp2() and ** may differ by a unit in the last place.
    expect_near<float>(generator.base_anchors(level), golden[level], 0, 2.4e-7);
  }
  // Sizes 32, 40.32, 50.80 of the square anchors: ratio-major, so these are anchors 3, 4, 5.
  const float* b = generator.base_anchors(0).data<float>();
  EXPECT_FLOAT_EQ(b[3 * 4 + 2] - b[3 * 4], 32.0f);
  EXPECT_NEAR(b[4 * 4 + 2] - b[4 * 4], 40.3175f, 1e-3);
  EXPECT_NEAR(b[5 * 4 + 2] - b[5 * 4], 50.7968f, 1e-3);
  // The ratio is height over width: the first is wide, the last tall.
  EXPECT_GT(b[2] - b[0], b[3] - b[1]);
}

TEST(AnchorGenerator, WithItsOptionsGivesTheAnchorsOfTorchvision) {
  const auto golden = detection_golden("torchvision_anchors");
  const AnchorGenerator generator(torchvision(golden));
  for (size_t level = 0; level < 5; ++level) {
    expect_near<float>(generator.base_anchors(level), golden.at("base")[level], 0, 0);
  }
  // Strides are 32 / 4 = 8, ..., and where one cell is left, the whole image.
  const AnchorGrid grid = generator.grid({{4, 6}, {2, 3}, {1, 2}, {1, 1}, {1, 1}}, 32, 48);
  expect_near<float>(grid.anchors, golden.at("grid"), 0, 0);
}

TEST(AnchorGenerator, CellsAreCentredOnMultiplesOfTheStrideRowByRow) {
  const AnchorGenerator generator(retina());
  const std::vector<GridSize> sizes{{3, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}};
  const AnchorGrid grid = generator.grid(sizes, 24, 32);
  EXPECT_EQ(grid.begin(1), 108);
  EXPECT_EQ(grid.end(1), 144);
  EXPECT_EQ(grid.end(4), 171);
  const float* a = grid.anchors.data<float>() + ((1 * 4 + 2) * 9 + 5) * 4;  // row 1, column 2
  EXPECT_FLOAT_EQ((a[0] + a[2]) / 2, 16);
  EXPECT_FLOAT_EQ((a[1] + a[3]) / 2, 8);
  const Tensor level = grid.level(1);
  EXPECT_EQ(level.shape(), Shape({36, 4}));
  EXPECT_TRUE(level.shares_memory_with(grid.anchors));
}

TEST(AnchorGenerator, KeepsTheGridsOfRecentShapes) {
  const AnchorGenerator generator(retina());
  const std::vector<GridSize> sizes{{3, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}};
  const AnchorGrid first = generator.grid(sizes, 24, 32);
  EXPECT_TRUE(generator.grid(sizes, 24, 32).anchors.shares_memory_with(first.anchors));
  for (int64_t i = 1; i < 40; ++i) generator.grid({{i, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, 24, 32);
  EXPECT_FALSE(generator.grid(sizes, 24, 32).anchors.shares_memory_with(first.anchors));
}

TEST(AnchorGenerator, ReadsAConfigAndSaysWhatIsWrongWithIt) {
  const auto generator = build<AnchorGenerator>(
      Config::parse("{type: AnchorGenerator, octave_base_scale: 4, scales_per_octave: 3,"
                    " ratios: [0.5, 1.0, 2.0], strides: [8, 16]}"));
  EXPECT_EQ(generator->num_base_anchors(0), 9);
  EXPECT_THROW(AnchorGenerator({.strides = {8}}), UsageError);
  EXPECT_THROW(AnchorGenerator({.strides = {}, .scales = {1}}), UsageError);
  EXPECT_THROW(AnchorGenerator({.strides = {0}, .scales = {1}}), UsageError);
  EXPECT_THROW(AnchorGenerator({.strides = {8}, .scales = {1}, .base_sizes = {1, 2}}), UsageError);
}

}  // namespace
}  // namespace kestrel
