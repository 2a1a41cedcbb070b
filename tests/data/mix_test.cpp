// Transforms that mix and warp images, against MMDetection's own (tests/golden/transforms.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include <kestrel/data/build_dataset.h>
#include <kestrel/data/loader.h>
#include <kestrel/data/samplers/sampler.h>
#include <kestrel/data/transforms/cut_out.h>
#include <kestrel/data/transforms/mix_up.h>
#include <kestrel/data/transforms/mosaic.h>
#include <kestrel/data/transforms/random_affine.h>
#include <kestrel/kernels/error.h>

#include "support.h"

namespace kestrel {
namespace {

/// picture() and results() of the script.
Sample mix_sample(int64_t height, int64_t width, int64_t seed, size_t boxes) {
  Image image(height, width);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      uint8_t* p = image.row(y) + 3 * x;
      p[0] = static_cast<uint8_t>((3 * x + 2 * y + 40 * seed) % 200);
      p[1] = static_cast<uint8_t>((x + 4 * y + 7 * seed) % 220);
      p[2] = static_cast<uint8_t>((2 * x + 3 * y) % 190);
    }
  }
  Sample sample(std::move(image));
  const std::vector<Box> all = {{4, 5, 20, 18}, {10, 2, 38, 12}, {25, 20, 39, 29}};
  for (size_t i = 0; i < boxes; ++i) {
    sample.instances.boxes.push_back(all[i]);
    sample.instances.labels.push_back(static_cast<int64_t>(i) + 10 * seed);
  }
  return sample;
}

void expect_made(Sample& sample, const nlohmann::json& expected) {
  const Image image = test::image_of(expected);
  ASSERT_EQ(sample.height(), image.height);
  ASSERT_EQ(sample.width(), image.width);
  int most = 0;
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    most = std::max(most, std::abs(int{image.pixels[i]} - int{sample.bytes().pixels[i]}));
  }
  EXPECT_LE(most, 1);
  EXPECT_EQ(sample.instances.labels, expected.at("labels").get<std::vector<int64_t>>());
  const auto boxes = expected.at("boxes").get<std::vector<std::array<float, 4>>>();
  ASSERT_EQ(sample.instances.boxes.size(), boxes.size());
  for (size_t i = 0; i < boxes.size(); ++i) {
    const Box& b = sample.instances.boxes[i];
    EXPECT_NEAR(b.x1, boxes[i][0], 1e-3);
    EXPECT_NEAR(b.y1, boxes[i][1], 1e-3);
    EXPECT_NEAR(b.x2, boxes[i][2], 1e-3);
    EXPECT_NEAR(b.y2, boxes[i][3], 1e-3);
  }
}

TEST(RandomAffine, IsMMDetections) {
  for (const auto& item : test::golden("transforms.json").at("affine")) {
    const auto s = item.at("shares").get<std::vector<double>>();
    const auto between = [&](size_t i, double most) { return most * (2 * s[i] - 1); };
    const RandomAffine affine({.border = item.at("border").get<std::array<int64_t, 2>>(),
                               .filter = {.skip_filter = item.at("skip")}});
    Sample sample = mix_sample(30, 40, item.at("seed"), 3);
    affine.change(sample, {.degrees = between(0, 10),
                           .scale = 0.5 + s[1],
                           .shear_x = between(2, 2),
                           .shear_y = between(3, 2),
                           .move_x = between(4, 0.1),
                           .move_y = between(5, 0.1)});
    SCOPED_TRACE(item.at("seed").dump());
    expect_made(sample, item);
  }
}

TEST(Mosaic, IsMMDetections) {
  for (const auto& item : test::golden("transforms.json").at("mosaic")) {
    const auto sizes = item.at("sizes").get<std::vector<std::array<int64_t, 2>>>();
    std::vector<Sample> parts;
    for (size_t i = 0; i < 4; ++i) {
      parts.push_back(mix_sample(sizes[i][0], sizes[i][1], static_cast<int64_t>(i), 2 + i % 2));
    }
    Sample sample = std::move(parts.front());
    parts.erase(parts.begin());
    const auto center = item.at("center").get<std::array<double, 2>>();
    Mosaic({.img_scale = {32, 48}})
        .change(sample, std::move(parts),
                {.center_x = static_cast<int64_t>((0.5 + center[0]) * 48),
                 .center_y = static_cast<int64_t>((0.5 + center[1]) * 32)});
    SCOPED_TRACE(item.at("center").dump());
    expect_made(sample, item);
  }
}

TEST(MixUp, IsMMDetections) {
  for (const auto& item : test::golden("transforms.json").at("mix_up")) {
    const auto s = item.at("shares").get<std::vector<double>>();
    MixUp::Draw draw{.factor = 0.5 + s[0], .flip = s[1] < 0.5};
    // Without more shares nothing was cut; the first of two is that of the height.
    size_t next = 2;
    if (next < s.size()) draw.crop_y = s[next++];
    if (next < s.size()) draw.crop_x = s[next];
    MixUpOptions options{.img_scale = {32, 48}};
    options.filter.skip_filter = item.at("skip");
    Sample sample = mix_sample(30, 40, 0, 3);
    MixUp(options).change(sample, mix_sample(24, 44, 1, 2), draw);
    SCOPED_TRACE(item.at("shares").dump());
    expect_made(sample, item);
  }
}

TEST(CutOut, IsMMDetections) {
  for (const auto& item : test::golden("transforms.json").at("cut_out")) {
    std::vector<CutOut::Hole> holes;
    for (const auto& hole : item.at("holes")) holes.push_back({hole[0], hole[1], hole[2], hole[3]});
    Sample sample = mix_sample(30, 40, 2, 3);
    CutOut({.n_holes = {1, 2}, .cutout_shape = {{6, 9}, {12, 4}}, .fill_in = {9, 8, 7}})
        .change(sample, holes);
    expect_made(sample, item);
  }
}

/// Chi-square of values in [0, 1) over 20 equal bins; 43.8 is exceeded once in 1,000 times.
template <class F>
void expect_uniform(F&& share) {
  std::array<double, 20> bins{};
  for (uint64_t i = 0; i < 10'000; ++i) {
    Philox random(3, 1, i);
    const double value = share(random);
    ASSERT_TRUE(value >= 0 && value <= 1) << value;
    bins[std::min<size_t>(19, static_cast<size_t>(value * 20))] += 1;
  }
  double chi = 0;
  for (const double count : bins) chi += (count - 500) * (count - 500) / 500;
  EXPECT_LT(chi, 43.8);
}

TEST(MixDraws, AreUniform) {
  const RandomAffine affine({});
  expect_uniform([&](Philox& r) { return (affine.draw(r).degrees + 10) / 20; });
  expect_uniform([&](Philox& r) { return affine.draw(r).scale - 0.5; });
  expect_uniform([&](Philox& r) { return (affine.draw(r).shear_x + 2) / 4; });
  expect_uniform([&](Philox& r) { return (affine.draw(r).shear_y + 2) / 4; });
  expect_uniform([&](Philox& r) { return (affine.draw(r).move_x + 0.1) / 0.2; });
  expect_uniform([&](Philox& r) { return (affine.draw(r).move_y + 0.1) / 0.2; });
  const Mosaic mosaic({.img_scale = {1000, 2000}});
  expect_uniform(
      [&](Philox& r) { return (static_cast<double>(mosaic.draw(9, r).center_x) - 1000) / 2000; });
  expect_uniform(
      [&](Philox& r) { return (static_cast<double>(mosaic.draw(9, r).center_y) - 500) / 1000; });
  for (size_t k = 0; k < 3; ++k) {
    expect_uniform(
        [&](Philox& r) { return static_cast<double>(mosaic.draw(1000, r).others[k]) / 1000; });
  }
  const MixUp mix({});
  expect_uniform([&](Philox& r) { return mix.draw(r).factor - 0.5; });
  expect_uniform([&](Philox& r) { return mix.draw(r).crop_x; });
  expect_uniform([&](Philox& r) { return mix.draw(r).crop_y; });
  int64_t flips = 0;
  for (uint64_t i = 0; i < 10'000; ++i) {
    Philox random(3, 1, i);
    flips += mix.draw(random).flip;
  }
  EXPECT_NEAR(static_cast<double>(flips), 5000, 4 * 50);
  const CutOut cut({.n_holes = {1, 4}, .cutout_ratio = {{0.1, 0.2}, {0.3, 0.1}}});
  std::array<int64_t, 4> counts{};
  for (uint64_t i = 0; i < 10'000; ++i) {
    Philox random(3, 1, i);
    ++counts[cut.draw(100, 100, random).size() - 1];
  }
  for (const int64_t count : counts) EXPECT_NEAR(static_cast<double>(count), 2500, 4 * 43);
  expect_uniform(
      [&](Philox& r) { return static_cast<double>(cut.draw(1000, 1000, r)[0].x) / 1000; });
}

constexpr const char* kMixConfig = R"({
  type: MultiImageMixDataset,
  dataset: {type: ShapesDataset, num_images: 6, image_size: 64,
            pipeline: [{type: LoadImageFromFile}, {type: LoadAnnotations, with_bbox: true}]},
  pipeline: [{type: Mosaic, img_scale: [48, 48]},
             {type: RandomAffine, scaling_ratio_range: [0.5, 1.5], border: [-24, -24]},
             {type: MixUp, img_scale: [48, 48]},
             {type: RandomFlip, flip_ratio: 0.5},
             {type: Pad, size_divisor: 32}]})";

TEST(MultiImageMix, BatchesDoNotDependOnWorkers) {
  const ConfiguredDataset mixed = build_dataset(Config::parse(kMixConfig), false);
  const auto batches = [&](int64_t workers) {
    const RandomSampler sampler(*mixed.dataset, 5);
    Loader loader(*mixed.dataset, mixed.pipeline, sampler,
                  {.batch_size = 2, .workers = workers, .seed = 5});
    loader.start_epoch(1);
    std::vector<Batch> all;
    while (auto batch = loader.next()) all.push_back(std::move(*batch));
    return all;
  };
  const std::vector<Batch> some = batches(0), same = batches(3);
  ASSERT_EQ(some.size(), 3u);
  ASSERT_EQ(same.size(), 3u);
  bool objects = false;
  for (size_t b = 0; b < some.size(); ++b) {
    ASSERT_EQ(some[b].images.shape(), same[b].images.shape());
    EXPECT_EQ(some[b].images.size(1), 64);  // 2 * 48 - 2 * 24, padded
    const auto x = some[b].images.values<float>(), y = same[b].images.values<float>();
    EXPECT_TRUE(std::ranges::equal(x, y));
    for (const GroundTruth& truth : some[b].truths) objects = objects || truth.boxes.numel() > 0;
  }
  EXPECT_TRUE(objects);
}

TEST(MultiImageMix, MixingNeedsItsDataSet) {
  Config alone = Config::parse(
      "{type: ShapesDataset, num_images: 2, image_size: 64, pipeline: [{type: MixUp}]}");
  const ConfiguredDataset built = build_dataset(alone, false);
  Sample sample = load_sample(*built.dataset, 0);
  Philox random(0);
  EXPECT_THROW(built.pipeline.apply(sample, random), UsageError);
}

TEST(MixTransforms, RefuseWrongOptions) {
  EXPECT_THROW(RandomAffine({.scaling_ratio_range = {0, 1}}), UsageError);
  EXPECT_THROW(RandomAffine({.max_shear_degree = 90}), UsageError);
  EXPECT_THROW(RandomAffine({.border_val = {300, 0, 0}}), UsageError);
  EXPECT_THROW(Mosaic({.img_scale = {0, 10}}), UsageError);
  EXPECT_THROW(Mosaic({.prob = 2}), UsageError);
  EXPECT_THROW(MixUp({.ratio_range = {2, 1}}), UsageError);
  EXPECT_THROW(MixUp({.max_iters = 0}), UsageError);
  EXPECT_THROW(CutOut({}), UsageError);
  EXPECT_THROW(CutOut({.n_holes = {3, 1}, .cutout_shape = {{1, 1}}}), UsageError);
  Sample sample = mix_sample(30, 40, 0, 1);
  sample.instances.masks.emplace_back();
  Philox random(0);
  EXPECT_THROW(RandomAffine({}).apply(sample, random), UsageError);
}

}  // namespace
}  // namespace kestrel
