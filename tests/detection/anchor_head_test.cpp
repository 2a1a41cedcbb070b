#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <kestrel/detection/assigners/max_iou_assigner.h>
#include <kestrel/detection/heads/anchor_head.h>
#include <kestrel/detection/samplers/pseudo_sampler.h>

#include "../support/on_device.h"
#include "detection_golden.h"

namespace kestrel {
namespace {

using test::detection_golden;
using test::expect_near;
using test::golden_numbers;

/// The head without layers: the tests make its predictions up.
class Predictions : public AnchorHead {
 public:
  using AnchorHead::AnchorHead;
  Outputs forward(const std::vector<Variable>&) override { return {}; }
};

constexpr int64_t kClasses = 3;
const std::vector<GridSize> kLevels{{8, 12}, {4, 6}};

AnchorHeadOptions head_options(const std::string& anchors) {
  AnchorHeadOptions options{.num_classes = kClasses};
  options.anchor_generator = Config::parse(anchors);
  return options;
}

/// As torchvision's RetinaNet has it.
AnchorHeadOptions torchvision_options() {
  AnchorHeadOptions options = head_options(
      "{type: AnchorGenerator, strides: [8, 16], ratios: [0.5, 1.0, 2.0],"
      " sizes: [[16, 20, 25], [32, 40, 50]], round_base_anchors: true, strides_from_image: true}");
  options.bbox_coder = Config::parse("{type: DeltaXYWHBBoxCoder, torchvision_clamp: true}");
  options.train_cfg.assigner = Config::parse("{type: MaxIoUAssigner, torchvision_matching: true}");
  options.train_cfg.loss_average = LossAverage::Image;
  options.test_cfg = {
      .nms_pre = 200, .min_bbox_size = -1, .max_per_img = 300, .rescale_after_nms = true};
  return options;
}

AnchorHeadOptions mmdetection_options() {
  return head_options(
      "{type: AnchorGenerator, strides: [8, 16], ratios: [0.5, 1.0, 2.0],"
      " octave_base_scale: 2, scales_per_octave: 3}");
}

ImageMeta meta_of(int64_t height, int64_t width) {
  ImageMeta meta;
  meta.file = "street.jpg";
  meta.img_height = height;
  meta.img_width = width;
  meta.pad_height = 64;
  meta.pad_width = 96;
  return meta;
}

const std::vector<ImageMeta> kMetas{meta_of(64, 96), meta_of(60, 80)};

std::vector<GroundTruth> truths() {
  return {
      {Tensor::from<float>({10, 12, 40, 44, 30, 5, 62, 50, 70, 40, 78, 47, 10, 12, 40, 44}, {4, 4}),
       Tensor::from<int64_t>({0, 1, 2, 1}, {4})},
      {Tensor::zeros({0, 4}), Tensor::zeros({0}, DType::Int64)}};
}

/// The predictions of detection.py, (2, all anchors, width), dealt to the levels.
std::vector<Variable> deal(int64_t width, int64_t seed, double scale, double offset, double shift,
                           DType dtype, Device device) {
  const int64_t total = 9 * (96 + 24);
  const std::vector<double> v = golden_numbers(2 * total * width, seed);
  std::vector<Variable> levels;
  int64_t begin = 0;
  for (const GridSize& size : kLevels) {
    const int64_t count = 9 * size.cells();
    std::vector<float> values;
    for (int64_t n = 0; n < 2; ++n) {
      for (int64_t i = (n * total + begin) * width; i < (n * total + begin + count) * width; ++i) {
        values.push_back(static_cast<float>((v[static_cast<size_t>(i)] - shift) * scale + offset));
      }
    }
    levels.emplace_back(
        Tensor::from(values, {2, size.height, size.width, 9 * width}).to(dtype).to(device), true);
    begin += count;
  }
  return levels;
}

class AnchorHeadTest : public test::OnDevice {
 protected:
  static AnchorHead::Outputs predictions(DType dtype = DType::Float32) {
    return {deal(kClasses, 9, 9, -8, 0, dtype, device()), deal(4, 10, 2, 0, 0.5, dtype, device())};
  }
};

Tensor on_host(const Tensor& tensor) {
  return tensor.to(Device::cpu());
}

double total(const Losses& losses) {
  double sum = 0;
  for (const auto& [name, value] : losses) sum += value.data().item<double>();
  return sum;
}

double norm(const std::vector<Variable>& levels) {
  double sum = 0;
  for (const Variable& level : levels) {
    const Tensor grad = on_host(level.grad());
    for (const float g : grad.values<float>()) sum += std::pow(static_cast<double>(g), 2);
  }
  return std::sqrt(sum);
}

Losses losses_of(const AnchorHead& head, const AnchorHead::Outputs& outputs,
                 const std::vector<GroundTruth>& truths, const std::vector<ImageMeta>& metas) {
  // Of the batch's images only the device matters.
  const Batch batch{.images = outputs.cls_scores[0].data(), .metas = metas, .truths = truths};
  return head.loss(outputs, targets_of(batch, head.num_classes()).packed);
}

TEST(MaxIoUAssigner, WithItsOptionIsTheMatcherOfTorchvision) {
  const auto golden = detection_golden("retinanet").at("matched").get<std::vector<int64_t>>();
  const Predictions head(torchvision_options());
  const AnchorGrid grid = head.anchor_generator().grid(kLevels, 64, 96);
  const AssignResult result =
      MaxIoUAssigner({.torchvision_matching = true}).assign(grid.anchors, {}, truths()[0].boxes);
  for (size_t i = 0; i < golden.size(); ++i) {
    // torchvision: -1 negative, -2 between the thresholds.
    const int64_t want = golden[i] == -1 ? 0 : golden[i] == -2 ? -1 : golden[i] + 1;
    ASSERT_EQ(result.assigned.data<int64_t>()[i], want) << i;
  }
}

TEST(MaxIoUAssigner, ReadsItsConfig) {
  const auto assigner = build<Assigner>(Config::parse(
      "{type: MaxIoUAssigner, pos_iou_thr: 0.5, neg_iou_thr: [0.1, 0.4], min_pos_iou: 0,"
      " ignore_iof_thr: -1}"));
  const AssignResult r =
      assigner->assign(Tensor::from<float>({0, 0, 10, 10, 5, 0, 15, 10, 90, 90, 99, 99}, {3, 4}),
                       {}, Tensor::from<float>({0, 0, 10, 10}, {1, 4}));
  EXPECT_EQ(r.assigned.data<int64_t>()[0], 1);
  EXPECT_EQ(r.assigned.data<int64_t>()[1], 0);   // IoU 1/3
  EXPECT_EQ(r.assigned.data<int64_t>()[2], -1);  // below the range
  EXPECT_THROW(
      build<Assigner>(Config::parse("{type: MaxIoUAssigner, neg_iou_thr: [0.1, 0.2, 0.3]}")),
      UsageError);
}

class MaxIoUAssignerTest : public test::OnDevice {};

TEST_P(MaxIoUAssignerTest, IgnoresAnchorsInCrowdsAsMMDetectionDoes) {
  const auto golden = test::golden_file("ignored_boxes");
  const auto boxes_of = [&](const char* name) {
    const auto numbers = golden.at(name).get<std::vector<float>>();
    return Tensor::from(numbers, {std::ssize(numbers) / 4, 4}).to(device());
  };
  const Tensor anchors = boxes_of("anchors"), ignored = boxes_of("ignored");
  const Tensor truths = boxes_of("truths"), none = Tensor::zeros({0, 4}).to(device());
  // As a batch has it: rows without a box at the end.
  Tensor padded = Tensor::full({truths.size(0) + 3, 4}, std::numeric_limits<double>::quiet_NaN());
  padded.slice(0, truths.size(0)).copy_from(truths);
  padded = padded.to(device());
  for (const auto& item : golden.at("cases")) {
    const MaxIoUAssigner assigner({.pos_iou_thr = 0.5,
                                   .neg_iou_thr = 0.4,
                                   .ignore_iof_thr = item.at("ignore_iof_thr"),
                                   .ignore_wrt_candidates = item.at("ignore_wrt_candidates")});
    const bool with_truths = item.at("truths");
    const AssignResult result = assigner.assign(anchors, {}, with_truths ? padded : none, ignored);
    const auto want = item.at("assigned").get<std::vector<int64_t>>();
    const Tensor got = result.assigned.to(Device::cpu());
    EXPECT_TRUE(std::ranges::equal(got.values<int64_t>(), want)) << item.dump();
    // Without ignored boxes, and those of the padding, nothing is ignored.
    const AssignResult plain = MaxIoUAssigner().assign(anchors, {}, padded);
    const AssignResult same =
        assigner.assign(anchors, {}, padded, Tensor::full({2, 4}, std::nan("")).to(device()));
    EXPECT_TRUE(std::ranges::equal(plain.assigned.to(Device::cpu()).values<int64_t>(),
                                   same.assigned.to(Device::cpu()).values<int64_t>()));
  }
}
KESTREL_ON_DEVICES(MaxIoUAssignerTest);

TEST(PseudoSampler, IgnoresNoneThatTakesPart) {
  AssignResult assigned{Tensor::from<int64_t>({0, 3, -1, 0, 1}, {5}), {}};
  PseudoSampler().sample(assigned);
  EXPECT_TRUE(std::ranges::equal(assigned.assigned.values<int64_t>(),
                                 std::vector<int64_t>{0, 3, -1, 0, 1}));
}

TEST_P(AnchorHeadTest, WithItsOptionsHasTheLossesOfTorchvision) {
  const auto golden = detection_golden("retinanet");
  Predictions head(torchvision_options());
  const AnchorHead::Outputs outputs = predictions();
  const Losses losses = losses_of(head, outputs, truths(), kMetas);
  ASSERT_EQ(losses[0].first, "loss_cls");
  ASSERT_EQ(losses[1].first, "loss_bbox");
  // Sums of thousands of float32 terms there, in double here.
  const double cls = golden.at("loss_cls");
  const double bbox = golden.at("loss_bbox");
  EXPECT_NEAR(losses[0].second.data().item<double>(), cls, 1e-5 * cls);
  EXPECT_NEAR(losses[1].second.data().item<double>(), bbox, 1e-5 * bbox);
  losses[0].second.backward();
  losses[1].second.backward();
  EXPECT_NEAR(norm(outputs.cls_scores), golden.at("cls_grad_norm").get<double>(), 1e-4);
  EXPECT_NEAR(norm(outputs.bbox_preds), golden.at("reg_grad_norm").get<double>(), 1e-5);
}

TEST_P(AnchorHeadTest, WithItsOptionsHasTheDetectionsOfTorchvision) {
  const auto golden = detection_golden("retinanet").at("detections");
  Predictions head(torchvision_options());
  const std::vector<Detections> found = head.predict(predictions(), kMetas, false);
  for (size_t i = 0; i < 2; ++i) {
    const auto& want = golden[i];
    ASSERT_EQ(found[i].labels.numel(), want.at("count").get<int64_t>());
    expect_near<int64_t>(found[i].labels.slice(0, 40), want.at("labels"), 0, 0);
    expect_near<float>(found[i].scores.slice(0, 40), want.at("scores"), 1e-6, 0);
    expect_near<float>(found[i].boxes.slice(0, 40), want.at("boxes"), 1e-4, 0);
  }
}

/// MMDetection's AnchorHead.loss, term by term, in double.
TEST_P(AnchorHeadTest, DividesByThePositivesOfTheWholeBatchAsMMDetectionDoes) {
  Predictions head(mmdetection_options());
  const AnchorHead::Outputs outputs = predictions();
  const Losses losses = losses_of(head, outputs, truths(), kMetas);

  const AnchorGrid grid = head.anchor_generator().grid(kLevels, 64, 96);
  std::vector<Tensor> logits, deltas;
  for (size_t l = 0; l < kLevels.size(); ++l) {
    logits.push_back(on_host(outputs.cls_scores[l].data()));
    deltas.push_back(on_host(outputs.bbox_preds[l].data()));
  }
  double cls = 0, bbox = 0, avg_factor = 0;
  for (int64_t n = 0; n < 2; ++n) {
    const GroundTruth truth = truths()[static_cast<size_t>(n)];
    const AssignResult assigned = MaxIoUAssigner().assign(grid.anchors, {}, truth.boxes);
    int64_t positives = 0;
    for (int64_t i = 0; i < grid.anchors.size(0); ++i) {
      const int64_t gt = assigned.assigned.data<int64_t>()[i];
      if (gt < 0) continue;
      const size_t l = i < grid.end(0) ? 0 : 1;
      const int64_t count = grid.end(l) - grid.begin(l);
      const int64_t row = n * count + i - grid.begin(l);
      const int64_t label = gt > 0 ? truth.labels.data<int64_t>()[gt - 1] : kClasses;
      for (int64_t c = 0; c < kClasses; ++c) {
        const double x = static_cast<double>(logits[l].data<float>()[row * kClasses + c]);
        const double p = 1 / (1 + std::exp(-x));
        cls -=
            c == label ? 0.25 * std::pow(1 - p, 2) * std::log(p) : 0.75 * p * p * std::log(1 - p);
      }
      if (gt <= 0) continue;
      ++positives;
      const float* a = grid.anchors.data<float>() + i * 4;
      const float* b = truth.boxes.data<float>() + (gt - 1) * 4;
      const float* d = deltas[l].data<float>() + row * 4;
      for (int k = 0; k < 2; ++k) {
        const double side = a[k + 2] - a[k];
        bbox += std::abs(d[k] - ((b[k] + b[k + 2]) / 2 - (a[k] + a[k + 2]) / 2) / side);
        bbox += std::abs(d[k + 2] - std::log((b[k + 2] - b[k]) / side));
      }
    }
    avg_factor += static_cast<double>(std::max<int64_t>(positives, 1));
  }
  EXPECT_GT(avg_factor, 5);
  EXPECT_NEAR(losses[0].second.data().item<double>(), cls / avg_factor, 1e-5 * cls / avg_factor);
  EXPECT_NEAR(losses[1].second.data().item<double>(), bbox / avg_factor, 1e-5 * bbox / avg_factor);
}

TEST_P(AnchorHeadTest, ImagesWithoutObjectsCountAsOnePositive) {
  Predictions head(mmdetection_options());
  const AnchorHead::Outputs outputs = predictions();
  const std::vector<GroundTruth> none(2, truths()[1]);
  const Losses losses = losses_of(head, outputs, none, kMetas);
  EXPECT_EQ(losses[1].second.data().item<double>(), 0);
  EXPECT_TRUE(std::isfinite(losses[0].second.data().item<double>()));
  losses[1].second.backward();  // reaches the predictions, with zeros
  for (const Variable& level : outputs.bbox_preds) {
    const Tensor grad = on_host(level.grad());
    for (const float g : grad.values<float>()) ASSERT_EQ(g, 0);
  }
}

TEST_P(AnchorHeadTest, AnchorsBeyondAnImagesPaddingAddNothing) {
  Predictions head(mmdetection_options());
  const AnchorHead::Outputs outputs = predictions();
  std::vector<ImageMeta> metas = kMetas;
  metas[1].pad_width = 48;
  const Losses losses = losses_of(head, outputs, truths(), metas);
  losses[0].second.backward();
  const Tensor grads = on_host(outputs.cls_scores[0].grad());
  const float* grad = grads.data<float>() + 8 * 12 * 27;  // second image
  for (int64_t column = 0; column < 12; ++column) {
    double sum = 0;
    for (int64_t k = 0; k < 27; ++k) sum += std::abs(static_cast<double>(grad[column * 27 + k]));
    EXPECT_EQ(sum > 0, column < 6) << column;
  }
}

TEST_P(AnchorHeadTest, IoULossesCompareDecodedBoxes) {
  AnchorHeadOptions options = mmdetection_options();
  options.reg_decoded_bbox = true;
  options.loss_bbox = Config::parse("{type: GIoULoss, loss_weight: 2.0}");
  Predictions head(options);
  const AnchorHead::Outputs outputs = predictions();
  const Losses losses = losses_of(head, outputs, truths(), kMetas);
  const double value = losses[1].second.data().item<double>();
  EXPECT_GT(value, 0);
  EXPECT_LT(value, 4);  // 2 * (1 - GIoU), on average
  losses[1].second.backward();
  EXPECT_GT(norm(outputs.bbox_preds), 0);
}

TEST_P(AnchorHeadTest, PositivesMayWeighMore) {
  AnchorHeadOptions options = mmdetection_options();
  Predictions plain(options);
  options.train_cfg.pos_weight = 1;
  Predictions same(options);
  options.train_cfg.pos_weight = 10;
  Predictions heavy(options);
  const AnchorHead::Outputs outputs = predictions();
  const double one = losses_of(plain, outputs, truths(), kMetas)[0].second.data().item<double>();
  EXPECT_EQ(losses_of(same, outputs, truths(), kMetas)[0].second.data().item<double>(), one);
  EXPECT_GT(losses_of(heavy, outputs, truths(), kMetas)[0].second.data().item<double>(), one);
}

TEST_P(AnchorHeadTest, Bfloat16PredictionsGiveNearlyTheSameLosses) {
  Predictions head(mmdetection_options());
  const AnchorHead::Outputs outputs = predictions(DType::BFloat16);
  const Losses losses = losses_of(head, outputs, truths(), kMetas);
  const double exact = total(losses_of(head, predictions(), truths(), kMetas));
  // Predictions are rounded to 1 part in 256, at random.
  EXPECT_NEAR(total(losses), exact, 0.005 * exact);
  losses[0].second.backward();
  EXPECT_EQ(outputs.cls_scores[0].grad().dtype(), DType::BFloat16);
  EXPECT_EQ(head.predict(outputs, kMetas, true).size(), 2u);
}

TEST_P(AnchorHeadTest, NanLogitsShowInTheLossAndGiveNoDetections) {
  Predictions head(mmdetection_options());
  AnchorHead::Outputs outputs = predictions();
  for (Variable& level : outputs.cls_scores) {
    level.data().fill(std::numeric_limits<double>::quiet_NaN());
  }
  EXPECT_TRUE(
      std::isnan(losses_of(head, outputs, truths(), kMetas)[0].second.data().item<double>()));
  EXPECT_EQ(head.predict(outputs, kMetas, true)[0].labels.numel(), 0);
}

TEST_P(AnchorHeadTest, MoreObjectsThanAnchors) {
  AnchorHeadOptions options = head_options("{type: AnchorGenerator, strides: [32], scales: [1]}");
  Predictions head(options);
  const AnchorHead::Outputs outputs{
      {Variable(Tensor::zeros({1, 2, 2, kClasses}, DType::Float32, device()))},
      {Variable(Tensor::zeros({1, 2, 2, 4}, DType::Float32, device()))}};
  std::vector<float> boxes;
  for (int i = 0; i < 50; ++i) boxes.insert(boxes.end(), {0, 0, 20, static_cast<float>(10 + i)});
  const GroundTruth truth{Tensor::from(boxes, {50, 4}), Tensor::zeros({50}, DType::Int64)};
  EXPECT_TRUE(std::isfinite(total(losses_of(head, outputs, {truth}, {kMetas[0]}))));
}

TEST_P(AnchorHeadTest, SaysWhatIsWrong) {
  Predictions head(mmdetection_options());
  std::vector<GroundTruth> wrong = truths();
  wrong[0].labels.data<int64_t>()[2] = kClasses;
  try {
    losses_of(head, predictions(), wrong, kMetas);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("street.jpg"), std::string::npos);
  }
  AnchorHead::Outputs one_level = predictions();
  one_level.cls_scores.pop_back();
  EXPECT_THROW(losses_of(head, one_level, truths(), kMetas), Error);
  EXPECT_THROW(losses_of(head, predictions(), truths(), {kMetas[0]}), Error);
  EXPECT_THROW(head.predict(predictions(), {kMetas[0]}, true), Error);
}

KESTREL_ON_DEVICES(AnchorHeadTest);

}  // namespace
}  // namespace kestrel
