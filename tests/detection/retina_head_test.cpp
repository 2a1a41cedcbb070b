#include <gtest/gtest.h>

#include <cmath>

#include <kestrel/detection/heads/retina_head.h>
#include <kestrel/tensor/random.h>

namespace kestrel {
namespace {

RetinaHeadOptions small() {
  return {.num_classes = 4, .in_channels = 8, .feat_channels = 16, .stacked_convs = 2};
}

std::vector<Variable> features(int64_t images) {
  Philox random(5);
  std::vector<Variable> levels;
  for (const auto& [h, w] : {std::pair{8, 12}, {4, 6}, {2, 3}, {1, 2}, {1, 1}}) {
    Tensor x = Tensor::empty({images, h, w, 8});
    fill_normal(x, 0, 1, random);
    levels.emplace_back(std::move(x));
  }
  return levels;
}

ImageMeta meta_of() {
  ImageMeta meta;
  meta.img_height = meta.pad_height = 64;
  meta.img_width = meta.pad_width = 96;
  return meta;
}

TEST(RetinaHead, HasTheNamesAndShapesOfMMDetection) {
  RetinaHead head(small());
  std::vector<std::string> names;
  for (const auto& [name, parameter] : head.named_parameters()) names.push_back(name);
  EXPECT_EQ(names,
            (std::vector<std::string>{
                "cls_convs.0.conv.weight", "cls_convs.0.conv.bias", "cls_convs.1.conv.weight",
                "cls_convs.1.conv.bias", "reg_convs.0.conv.weight", "reg_convs.0.conv.bias",
                "reg_convs.1.conv.weight", "reg_convs.1.conv.bias", "retina_cls.weight",
                "retina_cls.bias", "retina_reg.weight", "retina_reg.bias"}));
  const AnchorHead::Outputs outputs = head.forward(features(2));
  ASSERT_EQ(outputs.cls_scores.size(), 5u);
  EXPECT_EQ(outputs.cls_scores[0].shape(), Shape({2, 8, 12, 9 * 4}));
  EXPECT_EQ(outputs.bbox_preds[1].shape(), Shape({2, 4, 6, 9 * 4}));
}

TEST(RetinaHead, HasAsManyParametersAsPublished) {
  RetinaHead head({});
  // Two towers of four 3x3 convolutions of 256 channels, then 9 * 80 and 9 * 4 outputs.
  EXPECT_EQ(head.parameter_count(),
            8 * (256 * 256 * 9 + 256) + (256 * 9 + 1) * (9 * 80) + (256 * 9 + 1) * 36);
}

TEST(RetinaHead, StartsWithEveryScoreNearOnePercent) {
  RetinaHead head(small());
  Philox random(1);
  head.init_weights(random);
  for (const auto& [name, parameter] : head.named_parameters()) {
    const auto values = parameter.data().values<float>();
    double sum = 0, squares = 0;
    for (const float v : values) {
      sum += v;
      squares += static_cast<double>(v) * v;
    }
    const auto n = static_cast<double>(values.size());
    if (name.ends_with("weight")) {
      // Five standard errors of a thousand and more draws.
      EXPECT_NEAR(sum / n, 0, 0.05 / std::sqrt(n)) << name;
      EXPECT_NEAR(std::sqrt(squares / n), 0.01, 0.01 * 5 / std::sqrt(2 * n)) << name;
    } else {
      const double bias = name == "retina_cls.bias" ? -std::log(99.0) : 0;
      EXPECT_NEAR(sum / n, bias, 1e-6) << name;
    }
  }
  for (const float x : head.forward(features(1)).cls_scores[0].data().values<float>()) {
    ASSERT_NEAR(1 / (1 + std::exp(-x)), 0.01, 0.002);
  }
}

TEST(RetinaHead, LearnsOneImageByHeart) {
  RetinaHead head(small());
  Philox random(1);
  head.init_weights(random);
  const std::vector<Variable> levels = features(1);
  const std::vector<GroundTruth> truths{
      {Tensor::from<float>({20, 10, 60, 44}, {1, 4}), Tensor::from<int64_t>({2}, {1})}};
  const Targets targets{pack_targets(truths, std::vector{meta_of()}, Device::cpu())};
  double first = 0, last = 0;
  for (int step = 0; step < 40; ++step) {
    head.zero_grad();
    double sum = 0;
    for (const auto& [name, loss] : head.losses(levels, targets)) {
      sum += loss.data().item<double>();
      loss.backward();
    }
    (step == 0 ? first : last) = sum;
    for (const auto& [name, parameter] : head.named_parameters()) {
      Variable p = parameter;
      float* values = p.data().data<float>();
      const float* grad = p.grad().data<float>();
      for (int64_t i = 0; i < p.numel(); ++i) values[i] -= 0.1f * grad[i];
    }
    head.state_changed();
  }
  EXPECT_LT(last, 0.9 * first);
}

TEST(RetinaHead, IsBuiltFromTheConfigOfTheRecipe) {
  const Config config = Config::parse(R"(
type: RetinaHead
num_classes: 80
in_channels: 8
stacked_convs: 1
feat_channels: 8
anchor_generator:
  type: AnchorGenerator
  octave_base_scale: 4
  scales_per_octave: 3
  ratios: [0.5, 1.0, 2.0]
  strides: [8, 16, 32, 64, 128]
bbox_coder:
  type: DeltaXYWHBBoxCoder
  target_means: [0.0, 0.0, 0.0, 0.0]
  target_stds: [1.0, 1.0, 1.0, 1.0]
loss_cls: {type: FocalLoss, use_sigmoid: true, gamma: 2.0, alpha: 0.25, loss_weight: 1.0}
loss_bbox: {type: L1Loss, loss_weight: 1.0}
train_cfg:
  assigner: {type: MaxIoUAssigner, pos_iou_thr: 0.5, neg_iou_thr: 0.4, min_pos_iou: 0, ignore_iof_thr: -1}
  allowed_border: -1
  pos_weight: -1
  debug: false
test_cfg:
  nms_pre: 1000
  min_bbox_size: 0
  score_thr: 0.05
  nms: {type: nms, iou_threshold: 0.5}
  max_per_img: 100
)");
  const std::unique_ptr<DenseHead> head = build<DenseHead>(config);
  const std::vector<StageOutput> outputs = head->outputs(features(1));
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(outputs[0].name, "cls_scores");
  EXPECT_EQ(outputs[0].levels[0].shape(), Shape({1, 8, 12, 720}));
  EXPECT_EQ(outputs[1].name, "bbox_preds");
  EXPECT_EQ(outputs[1].levels[4].shape(), Shape({1, 1, 1, 36}));
  EXPECT_EQ(head->predict(features(1), {meta_of()}, true).size(), 1u);
  Config wrong = config;
  wrong.set("num_class", 3);
  EXPECT_THROW(build<DenseHead>(wrong), UsageError);
}

}  // namespace
}  // namespace kestrel
