#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include <kestrel/detection/coders/delta_xywh_bbox_coder.h>
#include <kestrel/detection/postprocess/dense_postprocess.h>
#include <kestrel/kernels/candidate_select.h>
#include <kestrel/kernels/nms.h>
#include <kestrel/tensor/random.h>

#include "../support/on_device.h"
#include "detection_golden.h"

namespace kestrel {
namespace {

using test::detection_golden;
using test::golden_boxes;
using test::golden_numbers;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

ImageMeta image(int64_t height, int64_t width, float scale = 1) {
  ImageMeta meta;
  meta.img_height = meta.pad_height = height;
  meta.img_width = meta.pad_width = width;
  meta.scale_x = meta.scale_y = scale;
  return meta;
}

/// One level whose anchors are the boxes themselves.
LevelPredictions level(const std::vector<float>& boxes, const std::vector<float>& logits) {
  const auto n = static_cast<int64_t>(boxes.size() / 4);
  return {Tensor::from(logits, {n, static_cast<int64_t>(logits.size()) / std::max<int64_t>(n, 1)}),
          Tensor::zeros({n, 4}), Tensor::from(boxes, {n, 4})};
}

class DensePostprocess : public test::OnDevice {
 protected:
  /// With the predictions on the device.
  static Detections postprocess(std::vector<LevelPredictions> levels, const ImageMeta& meta,
                                const DenseTestOptions& options, bool rescale) {
    for (LevelPredictions& level : levels) {
      level.logits = level.logits.to(device());
      level.deltas = level.deltas.to(device());
      level.anchors = level.anchors.to(device());
    }
    return dense_postprocess(levels, meta, DeltaXYWHBBoxCoder(), options, rescale);
  }
};

std::vector<float> floats(const Tensor& t) {
  return {t.values<float>().begin(), t.values<float>().end()};
}
std::vector<int64_t> ints(const Tensor& t) {
  return {t.values<int64_t>().begin(), t.values<int64_t>().end()};
}

float logit(double score) {
  return static_cast<float>(std::log(score / (1 - score)));
}

TEST(Nms, IsThatOfTorchvision) {
  const auto golden = detection_golden("nms");
  const std::vector<double> exact = golden_boxes(300, 7, 60);
  const std::vector<double> values = golden_numbers(300, 8);
  const std::vector<float> boxes(exact.begin(), exact.end());
  const std::vector<float> scores(values.begin(), values.end());
  std::vector<int64_t> classes(300);
  for (size_t i = 0; i < 300; ++i) classes[i] = static_cast<int64_t>(i % 4);
  for (const bool by_class : {false, true}) {
    std::vector<int64_t> kept(300);
    const int64_t count =
        cpu::nms({boxes.data(), DType::Float32, {300, 4}}, {scores.data(), DType::Float32, {300}},
                 by_class ? ConstView{classes.data(), DType::Int64, {300}} : ConstView{}, {},
                 {kept.data(), DType::Int64, {300}});
    kept.resize(static_cast<size_t>(count));
    EXPECT_EQ(kept, golden.at(by_class ? "by_class" : "plain").get<std::vector<int64_t>>());
  }
}

TEST(CandidateSelect, FindsTheTopLogitsAboveAThresholdInOrder) {
  Philox random(1);
  Tensor logits = Tensor::empty({70000, 3});
  fill_normal(logits, -3, 1, random);
  float* x = logits.data<float>();
  x[5] = kNan;
  x[100000] = x[7] = x[200000] = 4.5f;  // ties go by position
  std::vector<int64_t> want;
  for (int64_t i = 0; i < logits.numel(); ++i) {
    if (x[i] > -0.5f) want.push_back(i);
  }
  std::stable_sort(want.begin(), want.end(), [&](int64_t a, int64_t b) { return x[a] > x[b]; });
  for (const int64_t most : {int64_t{0}, int64_t{1}, int64_t{50}, int64_t{200000}}) {
    Tensor indices = Tensor::empty({most}, DType::Int64);
    Tensor values = Tensor::empty({most});
    Tensor found = Tensor::empty({1}, DType::Int64);
    cpu::select_above(logits.view(), -0.5f, indices.view(), values.view(), found.view());
    const int64_t count = found.item<int64_t>();
    ASSERT_EQ(count, std::min(most, static_cast<int64_t>(want.size())));
    for (int64_t i = 0; i < count; ++i) {
      ASSERT_EQ(indices.data<int64_t>()[i], want[static_cast<size_t>(i)]);
      ASSERT_EQ(values.data<float>()[i], x[want[static_cast<size_t>(i)]]);
    }
  }
}

TEST(CandidateSelect, RanksRowsByTheirBestLogit) {
  const Tensor logits = Tensor::from<float>({0, 1, 5, -1, kNan, 2, kNan, kNan}, {4, 2});
  Tensor rows = Tensor::empty({4}, DType::Int64);
  cpu::select_rows(logits.view(), rows.view());
  EXPECT_EQ(ints(rows), (std::vector<int64_t>{1, 2, 0, 3}));
}

TEST_P(DensePostprocess, ScoresAreSigmoidsAboveTheThreshold) {
  const auto found = postprocess({level({0, 0, 10, 10, 20, 20, 30, 30, 40, 40, 50, 50},
                                        {logit(0.9), -9, logit(0.04), logit(0.06), kNan, -9})},
                                 image(100, 100), {}, false);
  EXPECT_EQ(ints(found.labels), (std::vector<int64_t>{0, 1}));
  EXPECT_NEAR(found.scores.data<float>()[0], 0.9, 1e-6);
  EXPECT_NEAR(found.scores.data<float>()[1], 0.06, 1e-6);
  EXPECT_EQ(floats(found.boxes), (std::vector<float>{0, 0, 10, 10, 20, 20, 30, 30}));
}

TEST_P(DensePostprocess, PairsCompeteFromVersion217AndAnchorsBefore) {
  // The second anchor is third by its best class, but no class of the first comes after its own.
  const std::vector<LevelPredictions> levels{
      level({0, 0, 10, 10, 20, 20, 30, 30, 40, 40, 50, 50},
            {logit(0.9), logit(0.8), logit(0.7), -9, logit(0.6), -9})};
  DenseTestOptions options{.nms_pre = 2};
  EXPECT_EQ(ints(postprocess(levels, image(99, 99), options, false).labels),
            (std::vector<int64_t>{0, 1}));  // both of the first anchor
  options.candidates = CandidateKind::Anchors;
  const auto old = postprocess(levels, image(99, 99), options, false);
  EXPECT_EQ(ints(old.labels), (std::vector<int64_t>{0, 1, 0}));  // two anchors
  EXPECT_EQ(old.boxes.data<float>()[8], 20.0f);
}

TEST_P(DensePostprocess, LimitsEachLevelThenTheImage) {
  std::vector<float> boxes, high, low;
  for (int i = 0; i < 10; ++i) {
    const auto x = static_cast<float>(i * 20);
    boxes.insert(boxes.end(), {x, 0, x + 10, 10});
    high.push_back(3 - 0.1f * static_cast<float>(i));
    low.push_back(1 - 0.1f * static_cast<float>(i));
  }
  std::vector<float> below = boxes;
  for (size_t i = 1; i < below.size(); i += 2) below[i] += 50;
  const auto found = postprocess({level(boxes, high), level(below, low)}, image(100, 300),
                                 {.nms_pre = 4, .max_per_img = 6}, false);
  ASSERT_EQ(found.scores.numel(), 6);  // four of the first, then two of the second
  EXPECT_EQ(found.boxes.data<float>()[3 * 4 + 1], 0.0f);
  EXPECT_EQ(found.boxes.data<float>()[4 * 4 + 1], 50.0f);
}

TEST_P(DensePostprocess, SuppressesWithinAClassStrictlyAboveTheThreshold) {
  const std::vector<float> boxes{0, 0, 20, 10, 0, 0, 10, 10, 0, 0, 19, 10};  // IoU .5 and .95
  const auto found = postprocess({level(boxes, {3, -9, 2, 2.5f, 1, -9})}, image(50, 50), {}, false);
  // The last box goes; the second stays in both classes.
  EXPECT_EQ(ints(found.labels), (std::vector<int64_t>{0, 1, 0}));
  DenseTestOptions agnostic;
  agnostic.nms.class_agnostic = true;
  agnostic.nms.iou_threshold = 0.4;
  EXPECT_EQ(postprocess({level(boxes, {3, -9, 2, 2.5f, 1, -9})}, image(50, 50), agnostic, false)
                .labels.numel(),
            1);
}

TEST_P(DensePostprocess, RescalesToTheOriginalImage) {
  ImageMeta meta = image(100, 200);
  meta.scale_x = 2;
  meta.scale_y = 0.5f;
  const std::vector<LevelPredictions> levels{level({10, 10, 300, 50}, {1})};
  for (const bool after : {false, true}) {
    const auto found = postprocess(levels, meta, {.rescale_after_nms = after}, true);
    EXPECT_EQ(floats(found.boxes), (std::vector<float>{5, 20, 100, 100}));  // clipped to 200 first
  }
  const auto raw = postprocess(levels, meta, {}, false);
  EXPECT_EQ(floats(raw.boxes), (std::vector<float>{10, 10, 200, 50}));
}

TEST_P(DensePostprocess, DropsBoxesThatAreNotFiniteButNoneWithoutASide) {
  LevelPredictions p = level({0, 0, 10, 10, 200, 0, 300, 10, 20, 20, 30, 30}, {1, 2, 3});
  p.deltas.data<float>()[8] = kNan;
  const auto found = postprocess({p}, image(100, 100), {}, false);
  EXPECT_EQ(floats(found.boxes), (std::vector<float>{100, 0, 100, 10, 0, 0, 10, 10}));
}

TEST_P(DensePostprocess, TakesBfloat16AndNothing) {
  LevelPredictions p = level({0, 0, 10, 10, 20, 20, 30, 30}, {1, -9});
  p.logits = p.logits.to(DType::BFloat16);
  p.deltas = p.deltas.to(DType::BFloat16);
  EXPECT_EQ(postprocess({p}, image(99, 99), {}, false).labels.numel(), 1);
  const LevelPredictions none{Tensor::zeros({0, 3}), Tensor::zeros({0, 4}), Tensor::zeros({0, 4})};
  const auto found = postprocess({none}, image(9, 9), {}, true);
  EXPECT_EQ(found.boxes.shape(), Shape({0, 4}));
  EXPECT_TRUE(postprocess({}, image(9, 9), {}, true).scores);
}

KESTREL_ON_DEVICES(DensePostprocess);

}  // namespace
}  // namespace kestrel
