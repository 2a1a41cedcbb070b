// Weights of others by name: MMDetection's and torchvision's, and the way back.
#include <kestrel/inference/weights.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <gtest/gtest.h>

#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/inference/key_map.h>
#include <kestrel/registry/registry.h>
#include <kestrel/tensor/pth.h>
#include <kestrel/tensor/random.h>
#include <kestrel/tensor/safetensors.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = KESTREL_TEST_DIR "/golden/data/pth/";

std::vector<std::string> sorted_names(const StateDict& state) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state) names.push_back(name);
  std::ranges::sort(names);
  return names;
}

/// A RetinaNet with few channels; 8, 16, 32 and 64 of them, or `factor` times that, after the
/// stages.
Config small_config(const std::string& name, int factor) {
  Config config = Config::load(KESTREL_SOURCE_DIR "/configs/retinanet/" + name);
  Config channels = Config::list();
  for (const int n : {8, 16, 32, 64}) channels.push_back(n * factor);
  for (const std::string& change :
       {std::string("model.backbone.base_channels=8"),
        "model.neck.in_channels=" + channels.to_json(), std::string("model.neck.out_channels=8"),
        std::string("model.bbox_head.in_channels=8"),
        std::string("model.bbox_head.feat_channels=8"),
        std::string("model.bbox_head.num_classes=2")}) {
    config.apply_override(change);
  }
  return config;
}

void expect_equal(const StateDict& got, const StateDict& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].first, want[i].first);
    ASSERT_EQ(got[i].second.shape(), want[i].second.shape()) << got[i].first;
    EXPECT_EQ(std::memcmp(got[i].second.raw(), want[i].second.raw(), want[i].second.bytes()), 0)
        << got[i].first;
  }
}

class WeightFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("kestrel_weights_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
};

// The names in the files are those of torchvision's and MMDetection's own models.
TEST(WeightNames, CheckpointsOfOthersHaveEveryNameOfTheModelAndNoOther) {
  const Config config = small_config("retinanet_r50_fpn_1x_coco.yaml", 4);
  const auto model = build<BaseDetector>(config.at("model"));
  const auto expected = sorted_names(model->state_dict());
  for (const char* file : {"1_retinanet", "2_retinanet", "1_mmdetection", "2_mmdetection"}) {
    EXPECT_EQ(sorted_names(read_model_file(kGolden + file + ".pth").weights), expected) << file;
  }
  for (const std::string& name : expected) {
    EXPECT_EQ(kestrel_name(torchvision_name(name)), name);
    EXPECT_NE(torchvision_name(name), name);
  }
  EXPECT_EQ(read_model_file(kGolden + "2_mmdetection.pth").classes,
            (std::vector<std::string>{"person", "bicycle"}));
}

TEST(WeightNames, EarlierVersionsAreKnown) {
  const std::pair<const char*, const char*> names[] = {
      {"backbone.body.layer1.0.conv1.weight", "backbone.layer1.0.conv1.weight"},
      {"backbone.fpn.inner_blocks.1.0.weight", "neck.lateral_convs.1.conv.weight"},
      {"backbone.fpn.inner_blocks.1.weight", "neck.lateral_convs.1.conv.weight"},
      {"backbone.fpn.layer_blocks.2.bias", "neck.fpn_convs.2.conv.bias"},
      {"backbone.fpn.extra_blocks.p7.bias", "neck.fpn_convs.4.conv.bias"},
      {"head.classification_head.conv.3.0.weight", "bbox_head.cls_convs.3.conv.weight"},
      {"head.classification_head.conv.3.1.weight", "bbox_head.cls_convs.3.gn.weight"},
      {"head.classification_head.conv.6.weight", "bbox_head.cls_convs.3.conv.weight"},
      {"head.regression_head.conv.2.bias", "bbox_head.reg_convs.1.conv.bias"},
      {"bbox_head.cls_convs.2.weight", "bbox_head.cls_convs.2.conv.weight"},
      {"bbox_head.reg_convs.0.bias", "bbox_head.reg_convs.0.conv.bias"},
      {"bbox_head.reg_convs.0.conv.bias", "bbox_head.reg_convs.0.conv.bias"},
      {"bbox_head.retina_cls.weight", "bbox_head.retina_cls.weight"},
      {"layer4.2.bn3.running_var", "layer4.2.bn3.running_var"},
      {"head.classification_head.conv.x.weight", "head.classification_head.conv.x.weight"},
      {"head.classification_head.conv.", "head.classification_head.conv."},
      {"", ""},
  };
  for (const auto& [theirs, ours] : names) EXPECT_EQ(kestrel_name(theirs), ours);
}

TEST(WeightNames, PyramidsFromC2HaveFourLevelsOfTheBackbone) {
  EXPECT_EQ(torchvision_name("neck.fpn_convs.3.conv.bias"), "backbone.fpn.extra_blocks.p6.bias");
  EXPECT_EQ(torchvision_name("neck.fpn_convs.3.conv.bias", true),
            "backbone.fpn.layer_blocks.3.0.bias");
}

TEST_F(WeightFiles, GoToOthersAndBack) {
  const Config config = small_config("retinanet_r18_fpn_1x_coco.yaml", 1);
  const auto model = build<BaseDetector>(config.at("model"));
  Philox random(3);
  model->init_weights(random);
  const ModelFile contents{
      .weights = model->state_dict(), .config = config, .classes = {"circle", "square"}};
  for (const WeightNames names :
       {WeightNames::Kestrel, WeightNames::MMDetection, WeightNames::Torchvision}) {
    for (const char* name : {"a.pth", "a.pt", "a.safetensors"}) {
      const fs::path path = folder_ / name;
      if (names == WeightNames::Kestrel && path.extension() != ".safetensors") {
        EXPECT_THROW(export_weights(path, contents, names), UsageError);
        continue;
      }
      export_weights(path, contents, names);
      const ModelFile back = read_model_file(path);
      expect_equal(back.weights, contents.weights);
      EXPECT_EQ(back.config.is_null(), names != WeightNames::Kestrel);
    }
  }
}

TEST_F(WeightFiles, LayoutsAreTheirs) {
  const Tensor ours = Tensor::from({0.F, 1.F, 2.F, 3.F, 4.F, 5.F}, {1, 1, 3, 2});  // (O, kh, kw, I)
  const ModelFile contents{.weights = {{"backbone.conv1.weight", ours}}, .classes = {"cat"}};
  export_weights(folder_ / "a.pth", contents, WeightNames::Torchvision);
  const auto theirs = read_pth(folder_ / "a.pth").state_dict();
  EXPECT_EQ(theirs[0].first, "backbone.body.conv1.weight");
  EXPECT_EQ(theirs[0].second.shape(), Shape({1, 2, 1, 3}));
  const auto values = theirs[0].second.values<float>();
  EXPECT_EQ(std::vector(values.begin(), values.end()), (std::vector<float>{0, 2, 4, 1, 3, 5}));
  export_weights(folder_ / "b.pth", contents, WeightNames::MMDetection);
  EXPECT_EQ(read_model_file(folder_ / "b.pth").classes, contents.classes);
}

TEST_F(WeightFiles, WhatAFileIsItsBytesSay) {
  fs::copy(kGolden + "2_retinanet.pth", folder_ / "renamed.safetensors");
  EXPECT_EQ(read_model_file(folder_ / "renamed.safetensors").weights.size(), 301U);
  write_model_file(folder_ / "model.safetensors", {.weights = {{"w", Tensor::zeros({2})}}});
  fs::rename(folder_ / "model.safetensors", folder_ / "model.bin");
  EXPECT_EQ(read_model_file(folder_ / "model.bin").weights.size(), 1U);
  fs::rename(folder_ / "model.bin", folder_ / "model.pth");
  try {
    read_model_file(folder_ / "model.pth");
    FAIL();
  } catch (const ModelFileError& error) {
    EXPECT_NE(std::string(error.what()).find("not a file that torch.save wrote"),
              std::string::npos);
  }
}

TEST_F(WeightFiles, TwoNamesOfOneTensorAreAnError) {
  write_safetensors(folder_ / "twice.safetensors",
                    {.tensors = {{"backbone.fpn.inner_blocks.0.weight", Tensor::zeros({1})},
                                 {"backbone.fpn.inner_blocks.0.0.weight", Tensor::zeros({1})}}});
  EXPECT_THROW(read_model_file(folder_ / "twice.safetensors"), ModelFileError);
}

TEST_F(WeightFiles, PretrainedBackbonesAreFound) {
  ASSERT_EQ(::setenv("KESTREL_WEIGHTS", folder_.c_str(), 1), 0);
  EXPECT_EQ(find_pretrained("torchvision://resnet50"), fs::path());
  const auto touch = [&](const char* name) {
    write_pth(folder_ / name, {{"conv1.weight", Tensor::zeros({1})}});
    return folder_ / name;
  };
  touch("wide_resnet50-1.pth");
  EXPECT_EQ(find_pretrained("torchvision://resnet50"), fs::path());
  const fs::path hashed = touch("resnet50-0676ba61.pth");
  EXPECT_EQ(find_pretrained("torchvision://resnet50"), hashed);
  const fs::path plain = touch("resnet50.pth");
  EXPECT_EQ(find_pretrained("torchvision://resnet50"), plain);
  EXPECT_EQ(find_pretrained(plain.string()), plain);
  EXPECT_EQ(find_pretrained("no/such/file.pth"), fs::path());
  ASSERT_EQ(::unsetenv("KESTREL_WEIGHTS"), 0);
}

// As mmcv 1's EMAHook registers them: a buffer ema_<name with _ for .> of the model.
TEST_F(WeightFiles, WeightsOfMMDetectionsEmaHookAreToldApart) {
  StateDict tensors;
  for (const char* name : {"backbone.conv1.weight", "backbone.bn1.running_mean", "neck.w"}) {
    tensors.emplace_back(name, Tensor::full({2}, 1));
  }
  StateDict both = tensors;
  for (const char* name :
       {"ema_backbone_conv1_weight", "ema_backbone_bn1_running_mean", "ema_neck_w"}) {
    both.emplace_back(name, Tensor::full({2}, 5));
  }
  both.emplace_back("ema_of_something_else", Tensor::full({2}, 9));
  write_pth(folder_ / "ema.pth", both);
  write_safetensors(folder_ / "ema.safetensors", {.tensors = both, .metadata = {}});
  for (const char* file : {"ema.pth", "ema.safetensors"}) {
    const ModelFile plain = read_model_file(folder_ / file);
    const ModelFile second = read_model_file(folder_ / file, kEmaKey);
    for (const auto& [read, value] : {std::pair(&plain, 1.0F), {&second, 5.0F}}) {
      ASSERT_EQ(read->weights.size(), 4U);
      for (size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(std::ranges::count(sorted_names(read->weights), tensors[i].first), 1);
      }
      for (const auto& [name, tensor] : read->weights) {
        EXPECT_EQ(tensor.values<float>()[0], name == "ema_of_something_else" ? 9.0F : value)
            << name;
      }
      ASSERT_EQ(read->notes.size(), 1U);
      EXPECT_NE(read->notes[0].find("two sets of weights"), std::string::npos) << read->notes[0];
    }
  }
  write_pth(folder_ / "one.pth", tensors);
  EXPECT_TRUE(read_model_file(folder_ / "one.pth").notes.empty());
  EXPECT_THROW(read_model_file(folder_ / "one.pth", kEmaKey), UsageError);
  EXPECT_THROW(read_model_file(folder_ / "ema.safetensors", "ema"), UsageError);
}

TEST_F(WeightFiles, NamesAreKnownBehindAWrapper) {
  write_pth(folder_ / "wrapped.pth",
            {{"model.net.backbone.body.conv1.weight", Tensor::zeros({1})},
             {"model.net.head.classification_head.cls_logits.bias", Tensor::zeros({1})}});
  EXPECT_EQ(sorted_names(read_model_file(folder_ / "wrapped.pth").weights),
            (std::vector<std::string>{"model.net.backbone.conv1.weight",
                                      "model.net.bbox_head.retina_cls.bias"}));
}

TEST_F(WeightFiles, NamesThatAreNotUtf8AreSaved) {
  Config config = Config::map();
  config.set("img_prefix", "caf\xE9/bilder/");
  const ModelFile contents{.weights = {{"w", Tensor::zeros({2})}},
                           .config = config,
                           .classes = {"gr\xFC"
                                       "n",
                                       "größer"}};
  write_model_file(folder_ / "text.safetensors", contents);
  const ModelFile back = read_model_file(folder_ / "text.safetensors");
  EXPECT_EQ(back.classes, (std::vector<std::string>{"gr\\xfcn", "größer"}));
  EXPECT_EQ(back.config.at("img_prefix").as_string(), "caf\\xe9/bilder/");
}

}  // namespace
}  // namespace kestrel
