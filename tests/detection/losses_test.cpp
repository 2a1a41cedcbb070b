#include <gtest/gtest.h>

#include <optional>

#include <kestrel/detection/losses/focal_loss.h>
#include <kestrel/detection/losses/giou_loss.h>
#include <kestrel/detection/losses/iou_loss.h>
#include <kestrel/detection/losses/l1_loss.h>
#include <kestrel/detection/losses/smooth_l1_loss.h>

#include "../support/on_device.h"
#include "detection_golden.h"

namespace kestrel {
namespace {

using test::detection_golden;
using test::expect_near;
using test::golden_boxes;
using test::golden_numbers;

/// An avg_factor.
Tensor divisor(double value, Device device) {
  return Tensor::full({}, value, DType::Float64, device);
}

class LossTest : public test::OnDevice {};

TEST_P(LossTest, FocalLossIsThatOfTorchvision) {
  const auto golden = detection_golden("focal");
  std::vector<double> values = golden_numbers(60, 4);
  for (double& v : values) v = (v - 0.5) * 20;
  Variable logits(Tensor::from(values, {12, 5}).to(device()), true);
  const Tensor labels =
      Tensor::from(golden.at("labels").get<std::vector<int64_t>>(), {12}).to(device());
  const Variable loss = FocalLoss().forward(logits, labels, {}, divisor(1, device()));
  EXPECT_NEAR(loss.data().item<double>(), golden.at("loss").get<double>(), 1e-9);
  loss.backward();
  expect_near<double>(logits.grad().to(Device::cpu()), golden.at("grad"), 2e-9, 0);
}

void expect_regression(const RegressionLoss& loss, const std::string& name, Device device) {
  const auto golden = detection_golden(name);
  Variable pred(Tensor::from(golden_boxes(16, 5, 60), {16, 4}).to(device), true);
  const Variable value = loss.forward(
      pred, Tensor::from(golden_boxes(16, 6, 60), {16, 4}).to(device), {}, divisor(1, device));
  // torchvision adds its eps of 1e-9 to unions of about 1000.
  EXPECT_NEAR(value.data().item<double>(), golden.at("loss").get<double>(), 1e-8) << name;
  value.backward();
  expect_near<double>(pred.grad().to(Device::cpu()), golden.at("grad"), 2e-9, 0);
}

TEST_P(LossTest, RegressionLossesAreThoseOfTorch) {
  expect_regression(L1Loss(), "l1", device());
  expect_regression(SmoothL1Loss({.beta = 11.0}), "smooth_l1", device());
  expect_regression(GIoULoss(), "giou", device());
}

TEST_P(LossTest, AreDividedByTheAverageFactorOrTheirElements) {
  const Variable pred(Tensor::from<float>({1, 1, 1, 1, 3, 3, 3, 3}, {2, 4}).to(device()));
  const Tensor target = Tensor::zeros({2, 4}, DType::Float32, device());
  const auto value = [&](const RegressionLoss& loss, std::optional<double> avg_factor) {
    const Tensor own = avg_factor ? divisor(*avg_factor, device()) : Tensor();
    return loss.forward(pred, target, {}, own).data().item<double>();
  };
  EXPECT_FLOAT_EQ(static_cast<float>(value(L1Loss(), {})), 2.0f);   // 16 / 8 numbers
  EXPECT_FLOAT_EQ(static_cast<float>(value(L1Loss(), 4.0)), 4.0f);  // 16 / 4
  EXPECT_FLOAT_EQ(static_cast<float>(value(L1Loss({.loss_weight = 0.5}), 4.0)), 2.0f);
  EXPECT_FLOAT_EQ(static_cast<float>(value(L1Loss({.reduction = Reduction::Sum}), {})), 16.0f);
  EXPECT_THROW(value(L1Loss({.reduction = Reduction::Sum}), 4.0), Error);
  // An element of an IoU loss is a box: no overlap, twice.
  const Variable apart(Tensor::from<float>({0, 0, 1, 1, 0, 0, 1, 1}, {2, 4}).to(device()));
  const Tensor far = Tensor::from<float>({8, 8, 9, 9, 8, 8, 9, 9}, {2, 4}).to(device());
  const Variable linear = IoULoss({.mode = "linear"}).forward(apart, far, {}, {});
  EXPECT_NEAR(linear.data().item<double>(), 1, 1e-5);
  const Variable focal =
      FocalLoss().forward(Variable(Tensor::zeros({2, 3}, DType::Float32, device())),
                          Tensor::from<int64_t>({3, 3}, {2}).to(device()), {}, {});
  EXPECT_NEAR(focal.data().item<double>(), 0.75 * 0.25 * std::log(2.0), 1e-7);
  const Variable logits(Tensor::zeros({2, 3}, DType::Float32, device()), true);
  const Variable third = FocalLoss().forward(
      logits, Tensor::from<int64_t>({3, 3}, {2}).to(device()), {}, divisor(18, device()));
  EXPECT_NEAR(third.data().item<double>(), focal.data().item<double>() / 3, 1e-7);
}

TEST_P(LossTest, WeightsCountPerRow) {
  const Variable pred(Tensor::from<float>({1, 1, 1, 1, 3, 3, 3, 3}, {2, 4}).to(device()));
  const Variable loss =
      L1Loss().forward(pred, Tensor::zeros({2, 4}, DType::Float32, device()),
                       Tensor::from<float>({2, 0}, {2}).to(device()), divisor(1, device()));
  EXPECT_FLOAT_EQ(loss.data().item<float>(), 8.0f);
}

TEST(LossConfigs, BuildLosses) {
  EXPECT_TRUE(build<ClassificationLoss>(Config::parse(
      "{type: FocalLoss, use_sigmoid: true, gamma: 2.0, alpha: 0.25, loss_weight: 1.0}")));
  for (const char* text :
       {"{type: L1Loss, loss_weight: 1.0}", "{type: SmoothL1Loss, beta: 0.11, reduction: sum}",
        "{type: GIoULoss, loss_weight: 2.0}", "{type: IoULoss, mode: square}"}) {
    EXPECT_TRUE(build<RegressionLoss>(Config::parse(text))) << text;
  }
  EXPECT_THROW(build<RegressionLoss>(Config::parse("{type: L1Loss, beta: 1}")), UsageError);
  EXPECT_THROW(build<RegressionLoss>(Config::parse("{type: IoULoss, mode: cubic}")), UsageError);
  EXPECT_THROW(build<ClassificationLoss>(Config::parse("{type: FocalLoss, use_sigmoid: false}")),
               UsageError);
}

KESTREL_ON_DEVICES(LossTest);

}  // namespace
}  // namespace kestrel
