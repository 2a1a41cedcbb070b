#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include <kestrel/data/transforms/expand.h>
#include <kestrel/data/transforms/photo_metric_distortion.h>
#include <kestrel/data/transforms/pipeline.h>
#include <kestrel/data/transforms/random_crop.h>
#include <kestrel/kernels/error.h>

#include "support.h"

namespace kestrel {
namespace {

Sample sample_of(int64_t height, int64_t width) {
  Sample sample(test::test_image(height, width));
  sample.instances.boxes = {{4, 4, 14, 12}, {30, 20, 44, 34}};
  sample.instances.labels = {3, 4};
  return sample;
}

// That a box still frames the pixels that it framed: test_image's red is 3 x, its green 5 y.
void expect_same_place(Sample& sample, const Box& now, const Box& before) {
  const auto x = static_cast<int64_t>(now.x1), y = static_cast<int64_t>(now.y1);
  if (now.x1 <= 0 || now.y1 <= 0) return;  // was clipped
  EXPECT_EQ(sample.bytes().row(y)[3 * x], static_cast<uint8_t>(3 * before.x1));
  EXPECT_EQ(sample.bytes().row(y)[3 * x + 1], static_cast<uint8_t>(5 * before.y1));
}

TEST(RandomCrop, MovesBoxesWithThePixels) {
  const RandomCrop crop({.crop_size = {24, 30}});
  const Sample original = sample_of(40, 50);
  int64_t refused = 0, kept = 0;
  for (uint64_t i = 0; i < 200; ++i) {
    Sample sample = original;
    Philox random(0, 0, i);
    if (!crop.apply(sample, random)) {
      ++refused;
      EXPECT_TRUE(sample.instances.boxes.empty());
      continue;
    }
    EXPECT_EQ(sample.meta.img_height, 24);
    EXPECT_EQ(sample.meta.img_width, 30);
    ASSERT_EQ(sample.instances.boxes.size(), sample.instances.labels.size());
    for (size_t k = 0; k < sample.instances.boxes.size(); ++k) {
      const Box& b = sample.instances.boxes[k];
      EXPECT_TRUE(b.x1 >= 0 && b.y1 >= 0 && b.x2 <= 30 && b.y2 <= 24 && b.area() > 0) << b;
      expect_same_place(
          sample, b, original.instances.boxes[static_cast<size_t>(sample.instances.labels[k] - 3)]);
      ++kept;
    }
  }
  EXPECT_GT(kept, 200);
  EXPECT_LT(refused, 60);
}

TEST(RandomCrop, SizesOfEveryType) {
  const auto size = [](const RandomCropOptions& options, uint64_t i) {
    Sample sample(test::test_image(40, 50));
    Philox random(0, 0, i);
    EXPECT_TRUE(RandomCrop(options).apply(sample, random));  // no boxes, so none is lost
    return std::pair(sample.height(), sample.width());
  };
  EXPECT_EQ(size({.crop_size = {100, 20}}, 0), std::pair(40L, 20L));
  EXPECT_EQ(size({.crop_size = {0.5, 0.3}, .crop_type = CropType::Relative}, 0),
            std::pair(20L, 15L));
  for (uint64_t i = 0; i < 50; ++i) {
    const auto [h, w] = size({.crop_size = {10, 45}, .crop_type = CropType::AbsoluteRange}, i);
    EXPECT_TRUE(h >= 10 && h <= 40 && w >= 10 && w <= 45);
    const auto r = size({.crop_size = {0.5, 0.8}, .crop_type = CropType::RelativeRange}, i);
    EXPECT_TRUE(r.first >= 20 && r.first <= 40 && r.second >= 40 && r.second <= 50);
  }
  EXPECT_THROW(RandomCrop({.crop_size = {0, 4}}), UsageError);
  EXPECT_THROW(RandomCrop({.crop_size = {2, 0.5}, .crop_type = CropType::Relative}), UsageError);
}

TEST(MinIoURandomCrop, KeepsObjectsWhoseCentreIsInside) {
  const MinIoURandomCrop crop(MinIoURandomCropOptions{});
  const Sample original = sample_of(40, 50);
  int64_t whole = 0;
  for (uint64_t i = 0; i < 300; ++i) {
    Sample sample = original;
    Philox random(0, 0, i);
    ASSERT_TRUE(crop.apply(sample, random));
    whole += sample.width() == 50 && sample.height() == 40;
    EXPECT_GE(sample.width(), 14);
    EXPECT_GE(sample.height(), 11);
    ASSERT_GE(sample.instances.boxes.size(), 1u);
    for (size_t k = 0; k < sample.instances.boxes.size(); ++k) {
      const Box& b = sample.instances.boxes[k];
      EXPECT_TRUE(b.x1 >= 0 && b.x2 <= static_cast<float>(sample.width()) && b.area() > 0);
      expect_same_place(
          sample, b, original.instances.boxes[static_cast<size_t>(sample.instances.labels[k] - 3)]);
    }
  }
  EXPECT_GT(whole, 20);
  EXPECT_LT(whole, 280);
}

TEST(Expand, PutsTheImageOnALargerCanvas) {
  const Expand expand({.mean = {10, 20, 30}, .prob = 1});
  const Sample original = sample_of(40, 50);
  for (uint64_t i = 0; i < 50; ++i) {
    Sample sample = original;
    Philox random(0, 0, i);
    ASSERT_TRUE(expand.apply(sample, random));
    EXPECT_TRUE(sample.height() >= 40 && sample.height() <= 160);
    EXPECT_EQ(sample.meta.img_width, sample.width());
    EXPECT_EQ(sample.instances.boxes[1].width(), original.instances.boxes[1].width());
    expect_same_place(sample, sample.instances.boxes[0], original.instances.boxes[0]);
    const uint8_t* corner = sample.bytes().row(sample.height() - 1) + 3 * (sample.width() - 1);
    if (sample.width() > 150) {
      EXPECT_TRUE(corner[0] == 10 && corner[2] == 30);
    }
  }
  Sample never = original;
  Philox random(0);
  Expand({.prob = 0}).apply(never, random);
  EXPECT_EQ(never.width(), 50);
  EXPECT_THROW(Expand({.ratio_range = {0.5, 2}}), UsageError);
}

TEST(PhotoMetricDistortion, ChangesColoursWithinItsRanges) {
  const PhotoMetricDistortion nothing({.brightness_delta = 0,
                                       .contrast_range = {1, 1},
                                       .saturation_range = {1, 1},
                                       .hue_delta = 0});
  const PhotoMetricDistortion full(PhotoMetricDistortionOptions{});
  const Sample original = sample_of(16, 16);
  std::set<float> seen;
  for (uint64_t i = 0; i < 64; ++i) {
    Sample same = original, changed = original;
    Philox a(0, 0, i), b(0, 0, i);
    nothing.apply(same, a);
    full.apply(changed, b);
    EXPECT_EQ(changed.instances.boxes, original.instances.boxes);
    Sample untouched = original;
    const FloatImage before = untouched.floats();
    const FloatImage& after = same.floats();
    for (size_t p = 0; p < before.pixels.size(); p += 3) {
      // Only the order of the channels may differ.
      float x[3], y[3];
      std::copy_n(before.pixels.data() + p, 3, x);
      std::copy_n(after.pixels.data() + p, 3, y);
      std::sort(x, x + 3);
      std::sort(y, y + 3);
      for (int c = 0; c < 3; ++c) EXPECT_FLOAT_EQ(x[c], y[c]);
    }
    for (const float v : changed.floats().pixels) {
      ASSERT_TRUE(std::isfinite(v) && v > -700 && v < 700) << v;
    }
    seen.insert(changed.floats().pixels[100]);
  }
  EXPECT_GT(seen.size(), 30u);
}

TEST(PhotoMetricDistortion, TurnsTheHueThroughAllSectors) {
  // Pure colours: red turned by 120 degrees is green, and so on.
  const PhotoMetricDistortion turn({.brightness_delta = 0,
                                    .contrast_range = {1, 1},
                                    .saturation_range = {1, 1},
                                    .hue_delta = 180});
  const std::array<std::array<uint8_t, 3>, 4> colours = {
      {{200, 0, 0}, {0, 200, 0}, {0, 0, 200}, {200, 100, 50}}};
  for (uint64_t i = 0; i < 100; ++i) {
    Image image(1, 4);
    for (size_t k = 0; k < 4; ++k) std::ranges::copy(colours[k], image.pixels.begin() + 3 * k);
    Sample sample(image);
    Philox random(3, 0, i);
    turn.apply(sample, random);
    const float* p = sample.floats().pixels.data();
    for (size_t k = 0; k < 4; ++k, p += 3) {
      // Value and spread stay as they are, whatever the hue.
      const auto [low, high] = std::minmax({p[0], p[1], p[2]});
      EXPECT_NEAR(high, 200, 1e-3);
      EXPECT_NEAR(low, k == 3 ? 50 : 0, 1e-3);
    }
  }
}

TEST(Augmentations, AreBuiltByName) {
  const Pipeline pipeline(Config::parse(R"(
- {type: PhotoMetricDistortion, hue_delta: 10}
- {type: Expand, mean: [123.675, 116.28, 103.53], to_rgb: true, ratio_range: [1, 2]}
- {type: MinIoURandomCrop, min_ious: [0.1, 0.5], min_crop_size: 0.3}
- {type: Resize, img_scale: [32, 32], keep_ratio: false}
- {type: RandomCrop, crop_size: [30, 30], allow_negative_crop: true}
- {type: Normalize}
- {type: Pad, size_divisor: 32}
)"));
  for (uint64_t i = 0; i < 20; ++i) {
    Sample sample = sample_of(40, 50);
    Philox random(0, 0, i);
    ASSERT_TRUE(pipeline.apply(sample, random));
    EXPECT_EQ(sample.meta.pad_width, 32);
    std::vector<float> out(32 * 32 * 3);
    sample.write(out.data(), 32, 32);
  }
}

}  // namespace
}  // namespace kestrel
