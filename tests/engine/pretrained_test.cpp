#include <kestrel/engine/checkpoints/pretrained.h>

#include <cstring>
#include <filesystem>

#include <unistd.h>

#include <gtest/gtest.h>

#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/registry/registry.h>
#include <kestrel/tensor/random.h>

#include "tiny_retinanet.h"

namespace kestrel {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<BaseDetector> make_model(const Config& config, uint64_t seed) {
  auto model = build<BaseDetector>(config);
  Philox random(seed);
  model->init_weights(random);
  return model;
}

/// Names of tensors of two models that are bit-equal.
int64_t equal_below(const Module& a, const Module& b, const std::string& prefix) {
  const StateDict ours = a.state_dict();
  const StateDict theirs = b.state_dict();
  int64_t equal = 0;
  for (size_t i = 0; i < ours.size(); ++i) {
    const auto& [name, tensor] = ours[i];
    const Tensor& other = theirs[i].second;
    equal += name.starts_with(prefix) && tensor.shape() == other.shape() &&
             std::memcmp(tensor.raw(), other.raw(), tensor.bytes()) == 0;
  }
  return equal;
}

class Pretrained : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("kestrel_pretrained_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    source_ = make_model(config_, 1);
    const ModelFile contents{.weights = source_->state_dict()};
    export_weights(folder_ / "detector.pth", contents, WeightNames::MMDetection);
    ModelFile backbone;
    for (const auto& [name, tensor] : contents.weights) {
      if (name.starts_with("backbone.")) backbone.weights.emplace_back(name.substr(9), tensor);
    }
    backbones_ = static_cast<int64_t>(backbone.weights.size());
    backbone.weights.emplace_back("fc.weight", Tensor::zeros({10, 64}));
    export_weights(folder_ / "resnet18-f37072fd.pth", backbone, WeightNames::Torchvision);
  }
  void TearDown() override { fs::remove_all(folder_); }

  Config backbone_from(const std::string& checkpoint, const std::string& more = "") const {
    Config config = config_;
    config.apply_override("backbone.init_cfg={type: Pretrained, checkpoint: '" + checkpoint + "'" +
                          more + "}");
    return config;
  }

  fs::path folder_;
  Config config_ = tiny_config().at("model");
  std::unique_ptr<BaseDetector> source_;
  int64_t backbones_ = 0;
};

TEST_F(Pretrained, BackbonesComeFromTorchvisionsDownloads) {
  ASSERT_EQ(::setenv("KESTREL_WEIGHTS", folder_.c_str(), 1), 0);
  const auto model = make_model(config_, 2);
  EXPECT_EQ(load_pretrained(backbone_from("torchvision://resnet18"), *model),
            folder_ / "resnet18-f37072fd.pth");
  EXPECT_EQ(equal_below(*model, *source_, "backbone."), backbones_);
  EXPECT_THROW(load_pretrained(backbone_from("torchvision://resnet34"), *model), UsageError);
  ASSERT_EQ(::unsetenv("KESTREL_WEIGHTS"), 0);
}

TEST_F(Pretrained, BackbonesComeFromDetectors) {
  const std::string file = (folder_ / "detector.pth").string();
  const auto model = make_model(config_, 2);
  load_pretrained(backbone_from(file, ", prefix: 'backbone.'"), *model);
  EXPECT_EQ(equal_below(*model, *source_, "backbone."), backbones_);
  try {
    load_pretrained(backbone_from(file), *model);
    FAIL() << "a detector is no backbone";
  } catch (const ModelFileError& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with(file)) << error.what();
  }
}

TEST_F(Pretrained, FineTuningReplacesTheHeadAndSaysSo) {
  const auto same = make_model(config_, 2);
  EXPECT_EQ(load_starting_weights(folder_ / "detector.pth", *same),
            "weights start from " + (folder_ / "detector.pth").string());
  Config config = config_;
  config.apply_override("bbox_head.num_classes=7");
  const auto model = make_model(config, 2);
  const std::string text = load_starting_weights(folder_ / "detector.pth", *model);
  for (const char* part : {"0 missing, 0 unexpected, 2 of another shape",
                           "bbox_head.retina_cls.weight is (63, 3, 3, 16) in the model"}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
  EXPECT_EQ(equal_below(*model, *source_, "backbone."), backbones_);
  Config deeper = config_;
  deeper.apply_override("backbone.depth=34");
  const auto other = make_model(deeper, 2);
  EXPECT_THROW(load_starting_weights(folder_ / "detector.pth", *other), ModelFileError);
}

}  // namespace
}  // namespace kestrel
