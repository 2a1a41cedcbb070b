// Whole models against torchvision's, on weights and images that a hash gives both
// (tests/golden/retinanet_torchvision.py). bench/check_torchvision_parity does the same with
// ResNet-50 and compares every number in full.

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include <gtest/gtest.h>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/detection/detectors/single_stage.h>
#include <kestrel/detection/heads/anchor_head.h>
#include <kestrel/inference/key_map.h>
#include <kestrel/registry/registry.h>

#include "../support/on_device.h"
#include "../support/torch_reference.h"

namespace kestrel {
namespace {

using nlohmann::json;

/// The config of torchvision's RetinaNet with the sizes of a case.
Config model_config(const json& model) {
  const auto config_file = std::filesystem::path(KESTREL_SOURCE_DIR) /
                           "configs/retinanet/retinanet_r50_fpn_torchvision.yaml";
  Config config = Config::load(config_file).at("model");
  const auto set = [&](const std::string& key, const auto& value) {
    config.apply_override(key + "=" + json(value).dump());
  };
  const int64_t depth = model.at("depth"), channels = model.at("fpn");
  set("backbone.depth", depth);
  if (depth < 50) set("neck.in_channels", std::vector<int>{64, 128, 256, 512});
  set("neck.out_channels", channels);
  set("bbox_head.in_channels", channels);
  set("bbox_head.feat_channels", channels);
  set("bbox_head.num_classes", model.at("classes"));
  if (model.at("norm") == "bn") {
    set("backbone.norm_eval", false);
    set("backbone.norm_cfg.requires_grad", true);
  }
  if (model.at("head_norm") == "gn") {
    config.apply_override("bbox_head.norm_cfg={type: GN, num_groups: 32}");
  }
  if (model.at("extra") == "c5") config.apply_override("neck.add_extra_convs=on_input");
  return config;
}

/// A case of the reference, on a device.
class TorchvisionRetinaNet : public ::testing::TestWithParam<std::tuple<std::string, Device>> {
 protected:
  void SetUp() override {
    const auto& [name, device] = GetParam();
    reference = torch_reference::load_case(name);
    model = build<BaseDetector>(model_config(reference.at("model")));
    model->load_state_dict(torch_reference::make_weights(reference));
    model->to(device);
    batch = torch_reference::make_batch(reference);
    batch.images = batch.images.to(device);
  }

  SingleStageDetector& detector() { return dynamic_cast<SingleStageDetector&>(*model); }

  json reference;
  std::unique_ptr<BaseDetector> model;
  Batch batch;
};

/// Predictions of all levels in torchvision's order, (N, anchors, K).
std::vector<double> concatenate(const std::vector<Variable>& levels, int64_t images) {
  std::vector<double> result;
  for (int64_t i = 0; i < images; ++i) {
    for (const Variable& level : levels) {
      const Tensor image = level.data()[i].to(Device::cpu());
      const auto values = image.values<float>();
      result.insert(result.end(), values.begin(), values.end());
    }
  }
  return result;
}

// Sums of float32 products in another order: 1e-4 is the bound the project promises; about 1e-6 is
// what is seen.
TEST_P(TorchvisionRetinaNet, ForwardIsTorchvisions) {
  model->eval();
  const autograd::NoGrad no_grad;
  const json& expected = reference.at("eval_outputs");
  const auto levels = detector().extract_features(Variable(batch.images));
  ASSERT_EQ(levels.size(), 5U);
  for (size_t i = 0; i < levels.size(); ++i) {
    const std::string name = "p" + std::to_string(i + 3);
    EXPECT_LT(torch_reference::digest_error(levels[i].data(), expected.at(name)), 1e-4) << name;
  }
  const AnchorHead::Outputs outputs =
      dynamic_cast<AnchorHead&>(detector().bbox_head).forward(levels);
  const int64_t images = batch.images.size(0);
  EXPECT_LT(torch_reference::digest_error(concatenate(outputs.cls_scores, images),
                                          expected.at("cls_logits")),
            1e-4);
  EXPECT_LT(torch_reference::digest_error(concatenate(outputs.bbox_preds, images),
                                          expected.at("bbox_regression")),
            1e-4);
}

// Boxes within 0.01 pixels, scores within 1e-4; the order of almost equal scores is free, so each
// expected object is looked for.
TEST_P(TorchvisionRetinaNet, DetectionsAreTorchvisions) {
  model->eval();
  const auto detections = model->predict(batch, false);
  ASSERT_EQ(detections.size(), reference.at("detections").size());
  for (size_t k = 0; k < detections.size(); ++k) {
    const json& expected = reference.at("detections")[k];
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

// Losses: 1e-5, relative. Gradients: norm and two projections of each parameter's within 4e-3 of
// its norm (a cosine of 0.99999 is 4.5e-3). Almost all agree to 1e-5. But a ReLU whose input rounds
// to the other side of zero changes every gradient before it: torchvision's own float32 and float64
// differ by 1.7e-3 so in r18_frozen, and here in r18_bn_gn one in the classification tower's third
// convolution does on P3, where all that comes after it agrees to 3e-6 and what comes before does
// not.
TEST_P(TorchvisionRetinaNet, LossesAndGradientsAreTorchvisions) {
  model->train();
  const Losses losses = model->losses(batch);
  ASSERT_EQ(losses.size(), 2U);
  const double loss_cls = losses[0].second.data().item<double>();
  const double loss_bbox = losses[1].second.data().item<double>();
  const double expected_cls = reference.at("losses").at("classification");
  const double expected_bbox = reference.at("losses").at("bbox_regression");
  EXPECT_NEAR(loss_cls, expected_cls, 1e-5 * expected_cls);
  EXPECT_NEAR(loss_bbox, expected_bbox, 1e-5 * expected_bbox);

  autograd::add(losses[0].second, losses[1].second).backward();
  std::map<std::string, Variable> parameters;
  for (const auto& [name, parameter] : model->named_parameters()) parameters[name] = parameter;
  for (const auto& [name, digest] : reference.at("gradients").items()) {
    const auto found = parameters.find(kestrel_name(name));
    ASSERT_NE(found, parameters.end()) << name;
    ASSERT_TRUE(found->second.grad().defined()) << name;
    EXPECT_LT(torch_reference::digest_error(found->second.grad(), digest), 4e-3) << name;
  }
  if (!reference.contains("running_statistics")) return;
  const StateDict state = model->state_dict();
  for (const auto& [name, digest] : reference.at("running_statistics").items()) {
    const std::string ours = kestrel_name(name);
    const auto found = std::find_if(state.begin(), state.end(),
                                    [&](const auto& entry) { return entry.first == ours; });
    ASSERT_NE(found, state.end()) << name;
    EXPECT_LT(torch_reference::digest_error(found->second, digest), 1e-5) << name;
  }
}

std::string case_name(const ::testing::TestParamInfo<std::tuple<std::string, Device>>& test) {
  return std::get<0>(test.param) + (std::get<1>(test.param).is_cuda() ? "_Cuda" : "_Cpu");
}

INSTANTIATE_TEST_SUITE_P(Small, TorchvisionRetinaNet,
                         ::testing::Combine(::testing::Values("r18_small"),
                                            ::testing::ValuesIn(kestrel::test::devices())),
                         case_name);
// On the simulator the gradients of the small case take minutes; these are ten times its size and
// more.
#ifndef KESTREL_SIM
INSTANTIATE_TEST_SUITE_P(Cases, TorchvisionRetinaNet,
                         ::testing::Combine(::testing::Values("r18_frozen", "r18_frozen_odd",
                                                              "r18_bn_gn"),
                                            ::testing::ValuesIn(kestrel::test::devices())),
                         case_name);
#endif

}  // namespace
}  // namespace kestrel
