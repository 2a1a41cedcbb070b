#include <gtest/gtest.h>

#include <cmath>

#include <kestrel/data/transforms/collate.h>
#include <kestrel/data/transforms/normalize.h>
#include <kestrel/data/transforms/pad.h>
#include <kestrel/data/transforms/pipeline.h>
#include <kestrel/data/transforms/random_flip.h>
#include <kestrel/data/transforms/resize.h>
#include <kestrel/data/transforms/resize_bilinear.h>
#include <kestrel/kernels/error.h>

#include "support.h"

namespace kestrel {
namespace {

using test::contains;
using test::error_of;

const std::array<float, 3> kMean = {123.675F, 116.28F, 103.53F};
const std::array<float, 3> kStd = {58.395F, 57.12F, 57.375F};

Sample framed_sample(int64_t height, int64_t width) {
  Sample sample(test::test_image(height, width));
  sample.instances.boxes = {{1, 2, 5, 6},
                            {0, 0, static_cast<float>(width), static_cast<float>(height)}};
  sample.instances.labels = {3, 4};
  return sample;
}

bool run(const Transform& transform, Sample& sample, uint64_t number = 0) {
  Philox random(1, 2, number);
  return transform.apply(sample, random);
}

TEST(Resize, PixelsAreThoseOfOpenCv) {
  const auto golden = test::golden("images.json");
  const Image source = test::image_of(golden.at("source"));
  for (const auto& entry : golden.at("resize")) {
    const Image expected = test::image_of(entry);
    EXPECT_EQ(resize_bilinear(source, expected.height, expected.width), expected)
        << expected.width << "x" << expected.height;
  }
}

TEST(Resize, FloatsAreThoseOfTorch) {
  const auto golden = test::golden("images.json");
  Sample sample(test::image_of(golden.at("source")));
  sample.normalize({kMean, kStd, false});
  const FloatImage& source = sample.floats();
  size_t i = 0;
  for (const double value : golden.at("normalize").at("values")) {
    EXPECT_NEAR(source.pixels[i], value, 1e-6);  // values up to 3: two float32 roundings
    i += 13;
  }
  for (const auto& entry : golden.at("interpolate")) {
    const FloatImage got = resize_bilinear(source, entry.at("height"), entry.at("width"));
    i = 0;
    for (const double value : entry.at("values")) {
      EXPECT_NEAR(got.pixels[i], value, 3e-6) << got.width << "x" << got.height;
      i += 13;
    }
  }
}

TEST(Resize, SizesAreThoseOfMMDetection) {
  const Resize resize({.img_scale = {{1333, 800}}});
  const auto size = [&](int64_t h, int64_t w) {
    const ImageSize s = resize.target_size({h, w}, {1333, 800});
    return std::pair(s.height, s.width);
  };
  EXPECT_EQ(size(480, 640), std::pair(800L, 1067L));  // 1066.67 is rounded
  EXPECT_EQ(size(427, 640), std::pair(800L, 1199L));
  EXPECT_EQ(size(640, 427), std::pair(1199L, 800L));
  EXPECT_EQ(size(300, 640), std::pair(625L, 1333L));
  EXPECT_EQ(size(1, 10000), std::pair(1L, 1333L));  // never nothing
}

TEST(Resize, SizesAreThoseOfTorchvision) {
  const Resize resize({.img_scale = {{1333, 800}}, .style = ResizeStyle::Torchvision});
  // math.floor(side * min(800 / short, 1333 / long)) in Python.
  const std::pair<ImageSize, ImageSize> cases[] = {
      {{480, 640}, {800, 1066}}, {{427, 640}, {800, 1199}}, {{640, 427}, {1199, 800}},
      {{300, 640}, {624, 1333}}, {{333, 500}, {800, 1201}}, {{375, 500}, {800, 1066}},
      {{600, 601}, {800, 801}}};
  for (const auto& [from, to] : cases) {
    const ImageSize s = resize.target_size(from, {1333, 800});
    EXPECT_EQ(std::pair(s.height, s.width), std::pair(to.height, to.width))
        << from.width << "x" << from.height;
  }
}

TEST(Resize, ScalesAndClipsBoxesPerAxis) {
  Sample sample = framed_sample(48, 64);
  sample.instances.boxes.push_back({-3, -4, 70, 50});
  ASSERT_TRUE(run(Resize({.img_scale = {{100, 75}}, .keep_ratio = false}), sample));
  EXPECT_EQ(sample.meta.img_width, 100);
  EXPECT_EQ(sample.meta.img_height, 75);
  EXPECT_EQ(sample.meta.ori_width, 64);
  EXPECT_FLOAT_EQ(sample.meta.scale_x, 100 / 64.0F);
  EXPECT_FLOAT_EQ(sample.meta.scale_y, 75 / 48.0F);
  EXPECT_FLOAT_EQ(sample.instances.boxes[0].x1, 1 * 100 / 64.0F);
  EXPECT_FLOAT_EQ(sample.instances.boxes[0].y2, 6 * 75 / 48.0F);
  EXPECT_EQ(sample.instances.boxes[2], (Box{0, 0, 100, 75}));

  Sample loose = framed_sample(48, 64);
  loose.instances.boxes = {{-3, 0, 70, 10}};
  ASSERT_TRUE(run(Resize({.img_scale = {{128, 96}}, .bbox_clip_border = false}), loose));
  EXPECT_EQ(loose.instances.boxes[0], (Box{-6, 0, 140, 20}));
}

TEST(Resize, DrawsScales) {
  const Resize range({.img_scale = {{1333, 640}, {1333, 800}}});
  const Resize value(
      {.img_scale = {{10, 20}, {30, 40}, {50, 60}}, .multiscale_mode = MultiscaleMode::Value});
  const Resize ratio({.img_scale = {{100, 200}}, .ratio_range = {{0.5, 2.0}}});
  int64_t low = 10000, high = 0;
  int values[3] = {};
  for (uint64_t i = 0; i < 2000; ++i) {
    Philox random(5, 0, i);
    const ImageScale s = range.draw_scale(random);
    EXPECT_EQ(s[0], 1333);
    low = std::min(low, s[1]);
    high = std::max(high, s[1]);
    const ImageScale v = value.draw_scale(random);
    ASSERT_TRUE(v[1] == v[0] + 10);
    ++values[v[0] / 20];
    const ImageScale r = ratio.draw_scale(random);
    EXPECT_TRUE(r[0] >= 50 && r[0] < 200 && std::abs(r[1] - 2 * r[0]) <= 1);
  }
  EXPECT_EQ(low, 640);
  EXPECT_EQ(high, 800);                                         // the upper end is drawn too
  for (const int count : values) EXPECT_NEAR(count, 667, 110);  // five sigma
}

TEST(Resize, RefusesWhatMakesNoSense) {
  EXPECT_THROW(Resize({.img_scale = {{0, 10}}}), UsageError);
  EXPECT_THROW(Resize({.img_scale = {{1, 1}, {2, 2}, {3, 3}}}), UsageError);
  EXPECT_THROW(Resize({.img_scale = {{9, 9}}, .ratio_range = {{2, 1}}}), UsageError);
  Sample sample = framed_sample(8, 8);
  EXPECT_THROW(run(Resize(ResizeOptions{}), sample), UsageError);
}

TEST(RandomFlip, MirrorsPixelsAndBoxes) {
  Sample sample = framed_sample(4, 10);
  const Image original = sample.bytes();
  ASSERT_TRUE(run(RandomFlip({.flip_ratio = {{1.0}}}), sample));
  EXPECT_TRUE(sample.meta.flipped);
  EXPECT_EQ(sample.instances.boxes[0], (Box{5, 2, 9, 6}));
  EXPECT_EQ(sample.instances.boxes[1], (Box{0, 0, 10, 4}));
  for (int64_t y = 0; y < 4; ++y) {
    for (int64_t x = 0; x < 10; ++x) {
      EXPECT_EQ(sample.bytes().row(y)[3 * x], original.row(y)[3 * (9 - x)]);
    }
  }
  ASSERT_TRUE(run(RandomFlip({.flip_ratio = {{1.0}}}), sample));
  EXPECT_FALSE(sample.meta.flipped);
  EXPECT_EQ(sample.bytes(), original);
}

TEST(RandomFlip, HappensAsOftenAsAsked) {
  int flipped = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    Sample sample = framed_sample(2, 2);
    run(RandomFlip({.flip_ratio = {{0.3}}}), sample, i);
    flipped += sample.meta.flipped;
  }
  EXPECT_NEAR(flipped, 300, 75);  // five sigma
  Sample sample = framed_sample(2, 2);
  run(RandomFlip({}), sample);
  EXPECT_FALSE(sample.meta.flipped);
  sample.preset_flip = false;
  run(RandomFlip({.flip_ratio = {{1.0}}}), sample);
  EXPECT_FALSE(sample.meta.flipped);
  EXPECT_THROW(RandomFlip({.flip_ratio = {{1.5}}}), UsageError);
}

TEST(Pad, RoundsUpTheSizes) {
  Sample sample = framed_sample(33, 64);
  run(Pad({.size_divisor = 32}), sample);
  EXPECT_EQ(sample.meta.pad_height, 64);
  EXPECT_EQ(sample.meta.pad_width, 64);
  EXPECT_EQ(sample.meta.img_height, 33);
  Sample square = framed_sample(5, 9);
  run(Pad({.pad_to_square = true}), square);
  EXPECT_EQ(square.meta.pad_height, 9);
  Sample fixed = framed_sample(5, 9);
  run(Pad({.size = {{6, 12}}}), fixed);
  EXPECT_EQ(fixed.meta.pad_width, 12);
  EXPECT_THROW(run(Pad({.size = {{4, 12}}}), fixed), UsageError);
  EXPECT_THROW(Pad(PadOptions{}), UsageError);
  EXPECT_THROW(Pad({.size_divisor = 0}), UsageError);
  EXPECT_THROW(run(Normalize(NormalizeOptions{}), fixed), UsageError);  // would move the zeros
}

// What is noted and done in one pass is what doing it step by step gives.
TEST(Collate, WritesNormalisedMirroredPaddedImages) {
  for (const bool swap : {false, true}) {
    std::vector<Sample> samples;
    samples.push_back(framed_sample(5, 7));
    samples.push_back(framed_sample(6, 4));
    samples.push_back(Sample(test::test_image(3, 3)));
    const Image image = samples[0].bytes();
    for (Sample& s : samples) {
      run(RandomFlip({.flip_ratio = {{1.0}}}), s);
      run(Normalize({.mean = kMean, .std = kStd, .to_rgb = !swap}), s);
      run(Pad({.size_divisor = 4}), s);
    }
    samples[2].floats();  // one that did it early
    const Batch batch = collate(samples);
    ASSERT_EQ(batch.images.shape(), (Shape{3, 8, 8, 3}));
    EXPECT_EQ(batch.truths[0].boxes.shape(), (Shape{2, 4}));
    EXPECT_EQ(batch.truths[0].labels.values<int64_t>()[1], 4);
    EXPECT_EQ(batch.truths[2].boxes.shape(), (Shape{0, 4}));
    EXPECT_EQ(batch.truths[2].labels.shape(), (Shape{0}));
    const float* out = batch.images.data<float>();
    for (int64_t y = 0; y < 8; ++y) {
      for (int64_t x = 0; x < 8; ++x) {
        for (int64_t c = 0; c < 3; ++c) {
          float expected = 0;
          if (y < 5 && x < 7) {
            const auto from = static_cast<float>(image.row(y)[3 * (6 - x) + (swap ? 2 - c : c)]);
            const auto k = static_cast<size_t>(c);
            expected = (from - kMean[k]) * static_cast<float>(1.0 / static_cast<double>(kStd[k]));
          }
          EXPECT_FLOAT_EQ(*out++, expected) << y << " " << x << " " << c;
        }
      }
    }
    const float* third = batch.images.data<float>() + 2 * 8 * 8 * 3;
    const size_t first_channel = swap ? 2 : 0;
    const auto last = static_cast<float>(test::test_image(3, 3).row(0)[6 + first_channel]);
    EXPECT_FLOAT_EQ(third[0], (last - kMean[0]) * static_cast<float>(1 / double{kStd[0]}));
    EXPECT_EQ(third[3 * 3], 0);
    EXPECT_EQ(third[3 * 8 * 3], 0);
  }
}

TEST(Pipeline, IsBuiltFromAList) {
  const Config list = Config::parse(R"(
- {type: LoadImageFromFile}
- {type: LoadAnnotations, with_bbox: true}
- {type: Resize, img_scale: [[40, 20], [40, 30]], multiscale_mode: value, keep_ratio: true}
- {type: RandomFlip, flip_ratio: 0.5}
- {type: Normalize, mean: [0, 0, 0], std: [1, 1, 1], to_rgb: true}
- {type: Pad, size_divisor: 32}
- {type: DefaultFormatBundle}
- {type: Collect, keys: [img, gt_bboxes, gt_labels]}
)");
  const Pipeline pipeline(list);
  Sample sample = framed_sample(15, 20);
  Philox random(0);
  ASSERT_TRUE(pipeline.apply(sample, random));
  EXPECT_EQ(sample.meta.pad_height, 32);
  EXPECT_TRUE(sample.is_float());
  EXPECT_THROW(Pipeline(Config::parse("- {type: Resise}")), UsageError);
  const std::string why = error_of<UsageError>(
      [] { Pipeline(Config::parse("- {type: Resize, img_scal: [3, 4]}", "x.yaml")); });
  EXPECT_TRUE(contains(why, "img_scale")) << why;  // the nearest name
  EXPECT_THROW(Pipeline(Config::parse("- {type: Resize, img_scale: [3, 4, 5]}")), UsageError);
}

TEST(Pipeline, TestWrapperFixesScaleAndFlip) {
  const Pipeline pipeline(Config::parse(R"(
- type: MultiScaleFlipAug
  img_scale: [64, 32]
  flip: false
  transforms:
    - {type: Resize, keep_ratio: true}
    - {type: RandomFlip, flip_ratio: 1.0}
    - {type: Pad, size_divisor: 32}
)"));
  Sample sample = framed_sample(10, 20);
  Philox random(0);
  ASSERT_TRUE(pipeline.apply(sample, random));
  EXPECT_EQ(sample.meta.img_width, 64);
  EXPECT_EQ(sample.meta.img_height, 32);
  EXPECT_FALSE(sample.meta.flipped);
}

}  // namespace
}  // namespace kestrel
