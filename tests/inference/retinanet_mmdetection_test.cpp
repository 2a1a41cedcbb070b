// Whole models against MMDetection's own, built from its config, on weights and images that a hash
// gives both (tests/golden/mmdetection_retinanet.py). bench/parity_mmdetection.sh compares the
// models in their full sizes, and every number.

#include <cmath>
#include <map>
#include <memory>

#include <gtest/gtest.h>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/detection/detectors/single_stage.h>
#include <kestrel/registry/registry.h>

#include "../support/on_device.h"
#include "../support/torch_reference.h"

namespace kestrel {
namespace {

/// A case of the reference, on a device.
class MMDetectionRetinaNet : public ::testing::TestWithParam<std::tuple<std::string, Device>> {
 protected:
  void SetUp() override {
    const auto& [name, device] = GetParam();
    reference = torch_reference::load_case("mmdetection_" + name);
    model = build<BaseDetector>(Config::parse(reference.at("model").dump(), "reference"));
    model->load_state_dict(torch_reference::make_weights(reference));
    model->to(device);
    batch = torch_reference::make_batch(reference);
    batch.images = batch.images.to(device);
  }

  nlohmann::json reference;
  std::unique_ptr<BaseDetector> model;
  Batch batch;
};

// Sums of float32 products in another order; about 1e-6 is what is seen.
TEST_P(MMDetectionRetinaNet, PyramidIsMMDetections) {
  model->eval();
  const autograd::NoGrad no_grad;
  auto& detector = dynamic_cast<SingleStageDetector&>(*model);
  const auto levels = detector.extract_features(Variable(batch.images));
  ASSERT_EQ(levels.size(), 5U);
  for (size_t i = 0; i < levels.size(); ++i) {
    const std::string name = "p" + std::to_string(i + 3);
    EXPECT_LT(torch_reference::digest_error(levels[i].data(), reference["eval_outputs"][name]),
              1e-5)
        << name;
  }
}

// Boxes within 0.01 pixels, scores within 1e-4; the order of almost equal scores is free.
TEST_P(MMDetectionRetinaNet, DetectionsAreMMDetections) {
  model->eval();
  const auto detections = model->predict(batch, true);
  ASSERT_EQ(detections.size(), reference.at("detections").size());
  for (size_t k = 0; k < detections.size(); ++k) {
    const nlohmann::json& expected = reference.at("detections")[k];
    const auto boxes = detections[k].boxes.values<float>();
    const auto scores = detections[k].scores.values<float>();
    const auto labels = detections[k].labels.values<int64_t>();
    ASSERT_EQ(scores.size(), expected.at("scores").size());
    for (size_t i = 0; i < scores.size(); ++i) {
      bool found = false;
      for (size_t j = 0; j < scores.size() && !found; ++j) {
        found = labels[j] == expected.at("labels")[i] &&
                std::abs(scores[j] - expected.at("scores")[i].get<float>()) < 1e-4;
        for (size_t c = 0; c < 4; ++c) {
          found &= std::abs(boxes[j * 4 + c] - expected.at("boxes")[i][c].get<float>()) < 0.01;
        }
      }
      EXPECT_TRUE(found) << "image " << k << ", object " << i << ": " << expected.at("boxes")[i]
                         << ", score " << expected.at("scores")[i];
    }
  }
}

// Losses: 1e-5, relative. Gradients: norm and two projections within 4e-3 of the norm, since a ReLU
// whose input rounds to the other side of zero changes all gradients before it.
TEST_P(MMDetectionRetinaNet, LossesAndGradientsAreMMDetections) {
  model->train();
  Variable total;
  for (const auto& [name, value] : model->losses(batch)) {
    const double expected = reference.at("losses").at(name);
    EXPECT_NEAR(value.data().item<double>(), expected, 1e-5 * expected) << name;
    total = total ? autograd::add(total, value) : value;
  }
  total.backward();
  std::map<std::string, Tensor> gradients;
  for (const auto& [name, parameter] : model->named_parameters()) {
    if (parameter.grad().defined()) gradients[name] = parameter.grad();
  }
  EXPECT_EQ(gradients.size(), reference.at("gradients").size()) << "as many are trained";
  for (const auto& [name, digest] : reference.at("gradients").items()) {
    ASSERT_TRUE(gradients.contains(name)) << name;
    EXPECT_LT(torch_reference::digest_error(gradients[name], digest), 4e-3) << name;
  }
}

std::string mmdetection_case(
    const ::testing::TestParamInfo<std::tuple<std::string, Device>>& test) {
  return std::get<0>(test.param) + (std::get<1>(test.param).is_cuda() ? "_Cuda" : "_Cpu");
}

INSTANTIATE_TEST_SUITE_P(Small, MMDetectionRetinaNet,
                         ::testing::Combine(::testing::Values("r18", "r50_caffe"),
                                            ::testing::ValuesIn(kestrel::test::devices())),
                         mmdetection_case);

}  // namespace
}  // namespace kestrel
