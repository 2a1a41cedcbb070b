#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include <kestrel/detection/detectors/single_stage.h>
#include <kestrel/detection/heads/retina_head.h>
#include <kestrel/tensor/random.h>

namespace kestrel {
namespace {

/// Halves nothing: its maps are the image.
class ImageBackbone : public Backbone {
 public:
  std::vector<Variable> forward(const Variable& images) override { return {images}; }
  std::vector<int64_t> out_channels() const override { return {3}; }
};

/// A head that shares nothing with AnchorHead: it finds the brightest pixel of every image.
class BrightestHead : public DenseHead {
 public:
  Losses losses(const std::vector<Variable>& levels, const Targets& targets) override {
    seen_truths = targets.truths.size();
    return {{"loss_point", levels[0]}, {"accuracy", levels[0]}};
  }
  std::vector<Detections> predict(const std::vector<Variable>& levels,
                                  const std::vector<ImageMeta>& metas, bool,
                                  PredictClock* clock) override {
    if (clock) clock->network_done();
    std::vector<Detections> result;
    for (const Candidates& found : candidates(levels, metas)) result.push_back(suppress(found));
    return result;
  }
  std::vector<StageOutput> outputs(const std::vector<Variable>& levels) override {
    return {{"heat", levels}};
  }
  std::vector<Candidates> candidates(const std::vector<Variable>& levels,
                                     const std::vector<ImageMeta>& metas) override {
    std::vector<Candidates> result;
    const Tensor maps = levels[0].data().to(Device::cpu());
    for (size_t i = 0; i < metas.size(); ++i) {
      const Tensor map = maps[static_cast<int64_t>(i)];
      const auto values = map.values<float>();
      const auto best = std::ranges::max_element(values) - values.begin();
      const auto x = static_cast<float>(best / 3 % map.size(1));
      const auto y = static_cast<float>(best / 3 / map.size(1));
      Candidates found;
      found.boxes = Tensor::from<float>({x, y, x + 1, y + 1}, {1, 4});
      found.scores = Tensor::from<float>({values[static_cast<size_t>(best)]}, {1});
      found.labels = Tensor::from<int64_t>({0}, {1});
      mirror_back(found, metas[i], static_cast<float>(map.size(1)),
                  static_cast<float>(map.size(0)));
      result.push_back(found);
    }
    return result;
  }
  Detections suppress(const Candidates& found) const override {
    return kestrel::suppress(found, {}, 10);
  }
  int64_t num_classes() const override { return 1; }
  bool needs_host_targets() const override { return true; }

  size_t seen_truths = 0;
};

/// One image of 4 x 6 with a bright pixel.
Batch picture(int64_t x, int64_t y, float value, bool flipped) {
  Batch batch{.images = Tensor::zeros({1, 4, 6, 3})};
  batch.images.data<float>()[(y * 6 + x) * 3] = value;
  batch.metas = {{.img_height = 4, .img_width = 6, .pad_height = 4, .pad_width = 6}};
  batch.metas[0].flipped = flipped;
  batch.truths = {{Tensor::zeros({0, 4}), Tensor::zeros({0}, DType::Int64)}};
  return batch;
}

struct Brightest {
  BrightestHead* head = nullptr;
  std::unique_ptr<SingleStageDetector> model;

  Brightest() {
    auto own = std::make_unique<BrightestHead>();
    head = own.get();
    model = std::make_unique<SingleStageDetector>(std::make_unique<ImageBackbone>(), nullptr,
                                                  std::move(own));
  }
};

TEST(SingleStage, WorksWithAnyHeadAndWithoutANeck) {
  const Brightest detector;
  const Batch batch = picture(4, 1, 0.5F, false);
  PredictTimes times;
  const std::vector<Detections> found = detector.model->predict(batch, true, &times);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].boxes.data<float>()[0], 4);
  EXPECT_EQ(found[0].boxes.data<float>()[1], 1);
  EXPECT_GT(times.inference, 0);
  EXPECT_GT(times.postprocess, 0);

  const std::vector<StageOutput> stages = detector.model->stages(batch);
  ASSERT_EQ(stages.size(), 2u);
  EXPECT_EQ(stages[0].name, "backbone");
  EXPECT_EQ(stages[1].name, "bbox_head.heat");
  EXPECT_EQ(detector.model->neck, nullptr);
}

TEST(SingleStage, GivesAHeadTheTruthsOfTheHost) {
  const Brightest detector;
  const Losses losses = detector.model->losses(picture(0, 0, 1, false));
  EXPECT_EQ(losses.size(), 2u);
  EXPECT_EQ(detector.head->seen_truths, 1u);
  EXPECT_TRUE(detector.model->needs_host_targets());
}

TEST(SingleStage, SuppressesTheCandidatesOfAllViewsTogether) {
  const Brightest detector;
  // The same object, seen in a mirror too, and another one.
  const std::vector<Batch> views{picture(4, 1, 0.5F, false), picture(1, 1, 0.75F, true),
                                 picture(0, 3, 0.25F, false)};
  const std::vector<Detections> found = detector.model->predict_views(views);
  ASSERT_EQ(found.size(), 1u);
  ASSERT_EQ(found[0].scores.numel(), 2);
  EXPECT_EQ(found[0].scores.data<float>()[0], 0.75F);
  EXPECT_EQ(found[0].boxes.data<float>()[0], 4);
  EXPECT_EQ(found[0].boxes.data<float>()[4], 0);
}

RetinaHeadOptions small_retina() {
  return {.num_classes = 2,
          .in_channels = 3,
          .feat_channels = 4,
          .stacked_convs = 1,
          .anchor_generator =
              Config::parse("{type: AnchorGenerator, octave_base_scale: 4, scales_per_octave: 1,"
                            " ratios: [1.0], strides: [1]}")};
}

TEST(SingleStage, OneViewOfARetinaHeadGivesWhatPredictGives) {
  auto own = std::make_unique<RetinaHead>(small_retina());
  Philox random(3);
  own->init_weights(random);
  own->test_cfg().score_thr = 0.009;
  SingleStageDetector model(std::make_unique<ImageBackbone>(), nullptr, std::move(own));
  Batch batch = picture(2, 2, 3, false);
  batch.metas[0].scale_x = 0.5F;
  batch.metas[0].scale_y = 0.25F;
  const Detections once = model.predict(batch)[0];
  const Detections views = model.predict_views(std::span(&batch, 1))[0];
  ASSERT_GT(once.scores.numel(), 1);
  EXPECT_TRUE(std::ranges::equal(once.boxes.values<float>(), views.boxes.values<float>()));
  // Twice the same view adds nothing.
  const std::vector<Batch> twice{batch, batch};
  EXPECT_EQ(model.predict_views(twice)[0].scores.numel(), once.scores.numel());
}

TEST(Targets, KeepIgnoredBoxesAndMapsApart) {
  std::vector<GroundTruth> truths(2, {Tensor::zeros({0, 4}), Tensor::zeros({0}, DType::Int64)});
  truths[0].ignored = Tensor::from<float>({1, 2, 3, 4, 5, 6, 7, 8}, {2, 4});
  truths[1].semantic = Tensor::from<uint8_t>({7, 9}, {1, 2});
  std::vector<ImageMeta> metas(2);
  metas[1].pad_height = 4;
  metas[1].pad_width = 6;
  TargetTensors packed = pack_targets(truths, metas, Device::cpu());
  EXPECT_EQ(packed.boxes.shape(), Shape({2, 0, 4}));
  EXPECT_EQ(packed.ignored.shape(), Shape({2, 2, 4}));
  EXPECT_EQ(packed.ignored.data<float>()[7], 8);
  EXPECT_TRUE(std::isnan(packed.ignored.data<float>()[8]));
  EXPECT_EQ(packed.semantic.shape(), Shape({2, 1, 2}));
  EXPECT_EQ(packed.semantic.data<uint8_t>()[0], 255);
  EXPECT_EQ(packed.semantic.data<uint8_t>()[3], 9);
  EXPECT_EQ(packed.tensors().size(), 5u);
  EXPECT_EQ(packed.batch_height, 4);
  // Rounded up, so that batches have few shapes.
  TargetTensors stepped = pack_targets(truths, metas, Device::cpu(), 8);
  EXPECT_EQ(stepped.boxes.shape(), Shape({2, 8, 4}));
  EXPECT_EQ(stepped.ignored.shape(), Shape({2, 8, 4}));
  EXPECT_FALSE(packed.has_shapes_of(stepped));
}

}  // namespace
}  // namespace kestrel
