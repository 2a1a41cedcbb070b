#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include <kestrel/detection/coders/delta_xywh_bbox_coder.h>
#include <kestrel/tensor/random.h>

#include "../support/on_device.h"
#include "detection_golden.h"

namespace kestrel {
namespace {

using test::detection_golden;
using test::expect_near;
using test::golden_boxes;
using test::golden_numbers;

class DeltaXYWHBBoxCoderTest : public test::OnDevice {
 protected:
  static Tensor there(const Tensor& tensor) { return tensor.to(device()); }
  static Tensor back(const Tensor& tensor) { return tensor.to(Device::cpu()); }
};

TEST_P(DeltaXYWHBBoxCoderTest, WithItsOptionsIsTheBoxCoderOfTorchvision) {
  const auto golden = detection_golden("coder");
  const DeltaXYWHBBoxCoder coder(
      {.target_stds = {0.1, 0.1, 0.2, 0.2}, .clip_border = false, .torchvision_clamp = true});
  const Tensor anchors = there(Tensor::from(golden_boxes(20, 1, 100), {20, 4}));
  const Tensor boxes = there(Tensor::from(golden_boxes(20, 2, 100), {20, 4}));
  std::vector<double> deltas = golden_numbers(80, 3);
  for (double& d : deltas) d = (d - 0.5) * 60;
  // Golden values are rounded to nine decimals.
  expect_near<double>(back(coder.encode(anchors, boxes)), golden.at("encoded"), 1e-8, 1e-9);
  expect_near<double>(back(coder.decode(anchors, there(Tensor::from(deltas, {20, 4})), {})),
                      golden.at("decoded"), 1e-8, 1e-9);
}

TEST_P(DeltaXYWHBBoxCoderTest, DecodingUndoesEncoding) {
  const DeltaXYWHBBoxCoder coder(
      {.target_means = {0.1, -0.2, 0.3, 0}, .target_stds = {0.1, 0.1, 0.2, 0.2}});
  Philox random(1);
  Tensor anchors = Tensor::empty({500, 4});
  Tensor boxes = Tensor::empty({500, 4});
  for (Tensor* t : {&anchors, &boxes}) {
    for (int64_t i = 0; i < 500; ++i) {
      float* b = t->data<float>() + i * 4;
      b[0] = static_cast<float>(random.uniform(0, 500));
      b[1] = static_cast<float>(random.uniform(0, 300));
      b[2] = b[0] + static_cast<float>(random.uniform(5, 200));
      b[3] = b[1] + static_cast<float>(random.uniform(5, 200));
    }
  }
  const Tensor deltas = coder.encode(there(anchors), there(boxes));
  const Tensor decoded = back(coder.decode(there(anchors), deltas, {1000, 1000}));
  for (int64_t i = 0; i < boxes.numel(); ++i) {
    // exp(log(w)) of sides up to 200 in float32.
    ASSERT_NEAR(decoded.data<float>()[i], boxes.data<float>()[i], 5e-4);
  }
}

TEST_P(DeltaXYWHBBoxCoderTest, BoundsBothSidesOfTheSizeUnlikeTorchvision) {
  const Tensor anchors = there(Tensor::from<float>({0, 0, 10, 10}, {1, 4}));
  const Tensor shrink = there(Tensor::from<float>({0, 0, -20, 20}, {1, 4}));
  const DeltaXYWHBBoxCoder mmdet({.clip_border = false});
  const Tensor a = back(mmdet.decode(anchors, shrink, {}));
  EXPECT_NEAR(a.data<float>()[2] - a.data<float>()[0], 10 * 16.0 / 1000, 1e-4);
  EXPECT_NEAR(a.data<float>()[3] - a.data<float>()[1], 10 * 1000.0 / 16, 1e-2);
  const DeltaXYWHBBoxCoder torchvision({.clip_border = false, .torchvision_clamp = true});
  const Tensor b = back(torchvision.decode(anchors, shrink, {}));
  EXPECT_LT(b.data<float>()[2] - b.data<float>()[0], 1e-4);
  EXPECT_NEAR(b.data<float>()[3] - b.data<float>()[1], 10 * 1000.0 / 16, 1e-2);
}

TEST_P(DeltaXYWHBBoxCoderTest, ClipsToTheWholeWidthAndHeight) {
  const Tensor anchors = there(Tensor::from<float>({-5, -5, 200, 200}, {1, 4}));
  const Tensor zero = there(Tensor::zeros({1, 4}));
  const Tensor boxes = back(DeltaXYWHBBoxCoder().decode(anchors, zero, {100, 50}));
  EXPECT_EQ(std::vector<float>(boxes.values<float>().begin(), boxes.values<float>().end()),
            (std::vector<float>{0, 0, 100, 50}));  // not width - 1
  // What a loss compares is not clipped.
  const Variable open = DeltaXYWHBBoxCoder().decode(anchors, Variable(zero));
  EXPECT_EQ(back(open.data()).data<float>()[2], 200.0f);
}

TEST_P(DeltaXYWHBBoxCoderTest, DegenerateBoxesEncodeFiniteAndNanStaysNan) {
  const Tensor anchors = there(Tensor::from<float>({0, 0, 10, 10, 3, 3, 3, 3}, {2, 4}));
  const Tensor boxes = there(Tensor::from<float>({4, 4, 4, 4, 9, 9, 5, 5}, {2, 4}));
  const Tensor deltas = back(DeltaXYWHBBoxCoder().encode(anchors, boxes));
  for (const float d : deltas.values<float>().first(4)) EXPECT_TRUE(std::isfinite(d));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor broken = there(Tensor::from<float>({nan, 0, 0, 0, 0, 0, nan, 0}, {2, 4}));
  const Tensor out = back(DeltaXYWHBBoxCoder().decode(anchors, broken, {100, 100}));
  EXPECT_TRUE(std::isnan(out.data<float>()[0]));
  EXPECT_TRUE(std::isnan(out.data<float>()[6]));
  EXPECT_EQ(out.data<float>()[1], 0.0f);
  const Tensor none = there(Tensor::zeros({0, 4}));
  EXPECT_EQ(DeltaXYWHBBoxCoder().encode(none, none).numel(), 0);
}

KESTREL_ON_DEVICES(DeltaXYWHBBoxCoderTest);

}  // namespace
}  // namespace kestrel
