#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include <kestrel/autograd/functions/box_decode.h>
#include <kestrel/autograd/functions/box_loss.h>
#include <kestrel/autograd/functions/focal_loss.h>
#include <kestrel/autograd/gradcheck.h>
#include <kestrel/tensor/random.h>

namespace kestrel::autograd {
namespace {

Tensor random_boxes(Philox& random, int64_t n, double extent) {
  Tensor boxes = Tensor::empty({n, 4}, DType::Float64);
  for (int64_t i = 0; i < n; ++i) {
    double* b = boxes.data<double>() + i * 4;
    b[0] = random.uniform(0, extent);
    b[1] = random.uniform(0, extent);
    b[2] = b[0] + random.uniform(1, extent);
    b[3] = b[1] + random.uniform(1, extent);
  }
  return boxes;
}

double loss_of(const std::vector<double>& pred, const std::vector<double>& target,
               const BoxLossParams& params) {
  const Shape shape{static_cast<int64_t>(pred.size()) / 4, 4};
  return box_loss(Variable(Tensor::from(pred, shape)), Tensor::from(target, shape), {}, params)
      .data()
      .item<double>();
}

TEST(DetectionLosses, FocalLossHasTheGradientOfItsDifferences) {
  Philox random(1);
  Tensor logits = Tensor::empty({6, 5}, DType::Float64);
  fill_normal(logits, 0, 3, random);
  const Tensor labels = Tensor::from<int64_t>({0, 5, -1, 4, 2, 5}, {6});
  const Tensor weights = Tensor::from<double>({1, 0.5, 1, 2, 0, 1}, {6});
  for (const double gamma : {0.0, 0.5, 1.0, 2.0, 3.0}) {
    EXPECT_EQ(gradcheck(
                  [&](const std::vector<Variable>& in) {
                    return std::vector{focal_loss(in[0], labels, weights,
                                                  {.alpha = 0.3, .gamma = gamma, .scale = 0.2})};
                  },
                  {logits}),
              "")
        << gamma;
  }
}

TEST(DetectionLosses, BoxLossesHaveTheGradientOfTheirDifferences) {
  Philox random(2);
  const Tensor pred = random_boxes(random, 12, 20);
  const Tensor target = random_boxes(random, 12, 20);
  const Tensor weights = Tensor::from<double>({1, 1, 0, 2, 1, 1, 1, 1, 0.5, 1, 1, 1}, {12});
  for (const auto kind : {BoxLossKind::L1, BoxLossKind::SmoothL1, BoxLossKind::IouLog,
                          BoxLossKind::IouLinear, BoxLossKind::IouSquare, BoxLossKind::GIoU}) {
    EXPECT_EQ(gradcheck(
                  [&](const std::vector<Variable>& in) {
                    return std::vector{
                        box_loss(in[0], target, weights, {.kind = kind, .beta = 3, .scale = 0.3})};
                  },
                  {pred}),
              "")
        << static_cast<int>(kind);
  }
}

TEST(DetectionLosses, DecodedBoxesHaveTheGradientOfTheirDifferences) {
  Philox random(3);
  const Tensor anchors = random_boxes(random, 16, 20);
  Tensor deltas = Tensor::empty({16, 4}, DType::Float64);
  fill_normal(deltas, 0, 3, random);
  for (const bool clip : {false, true}) {
    DeltaParams params{.means = {0.1, -0.1, 0.2, 0}, .stds = {0.1, 0.1, 0.2, 0.9}, .clip = clip};
    params.max_ratio = 0.5;
    EXPECT_EQ(gradcheck(
                  [&](const std::vector<Variable>& in) {
                    return std::vector{box_decode(anchors, in[0], params, {25, 22})};
                  },
                  {deltas}),
              "");
  }
}

TEST(DetectionLosses, SmoothL1IsQuadraticBelowBetaAndL1Above) {
  const std::vector<double> pred = {0.5, -3, 0, 1};
  const std::vector<double> target = {0, 0, 0, 0};
  EXPECT_NEAR(loss_of(pred, target, {.kind = BoxLossKind::SmoothL1, .beta = 1}),
              0.125 + 2.5 + 0 + 0.5, 1e-15);
  EXPECT_NEAR(loss_of(pred, target, {.kind = BoxLossKind::SmoothL1, .beta = 0}), 4.5, 1e-15);
  EXPECT_NEAR(loss_of(pred, target, {.kind = BoxLossKind::L1}), 4.5, 1e-15);
}

TEST(DetectionLosses, GIoUPenalisesTheGapBetweenBoxes) {
  // Intersection 25, union 175, hull 225.
  EXPECT_NEAR(loss_of({0, 0, 10, 10}, {5, 5, 15, 15}, {.kind = BoxLossKind::GIoU}),
              1 - (25.0 / 175 - 50.0 / 225), 1e-12);
  // No overlap: union 2 in a hull of 3 x 1.
  EXPECT_NEAR(loss_of({0, 0, 1, 1}, {2, 0, 3, 1}, {.kind = BoxLossKind::GIoU}), 1 + 1.0 / 3, 1e-12);
  EXPECT_NEAR(loss_of({0, 0, 1, 1}, {0, 0, 1, 1}, {.kind = BoxLossKind::GIoU}), 0, 1e-12);
}

TEST(DetectionLosses, AwkwardBoxesGiveFiniteLossesAndNanShows) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto kind : {BoxLossKind::IouLog, BoxLossKind::IouLinear, BoxLossKind::GIoU}) {
    // A point, an inverted box, and huge numbers.
    EXPECT_TRUE(std::isfinite(loss_of({3, 3, 3, 3, 9, 9, 1, 1, -1e30, -1e30, 1e30, 1e30},
                                      {3, 3, 3, 3, 0, 0, 5, 5, 0, 0, 1, 1}, {.kind = kind})));
    EXPECT_TRUE(std::isnan(loss_of({nan, 0, 1, 1}, {0, 0, 1, 1}, {.kind = kind})));
  }
  EXPECT_EQ(loss_of({}, {}, {.kind = BoxLossKind::GIoU}), 0);
}

TEST(DetectionLosses, ARowOfNoWeightDoesNotCountWhateverItHolds) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Variable pred(Tensor::from<double>({nan, 0, 1, 1, 1, 1, 1, 1}, {2, 4}), true);
  const Variable loss =
      box_loss(pred, Tensor::zeros({2, 4}, DType::Float64), Tensor::from<double>({0, 1}, {2}));
  EXPECT_EQ(loss.data().item<double>(), 4);
  loss.backward();
  EXPECT_EQ(pred.grad().data<double>()[0], 0);
  EXPECT_EQ(pred.grad().data<double>()[4], 1);
}

TEST(DetectionLosses, BackwardScalesByTheIncomingGradient) {
  Variable pred(Tensor::from<double>({1, -1, 2, 0}, {1, 4}), true);
  const Variable loss = box_loss(pred, Tensor::zeros({1, 4}, DType::Float64), {}, {.scale = 0.5});
  loss.backward(Tensor::full({}, 8, DType::Float64));
  EXPECT_EQ(pred.grad().data<double>()[0], 4);
  EXPECT_EQ(pred.grad().data<double>()[1], -4);
  EXPECT_EQ(pred.grad().data<double>()[3], 0);
}

}  // namespace
}  // namespace kestrel::autograd
