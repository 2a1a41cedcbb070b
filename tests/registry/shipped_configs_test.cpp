#include <filesystem>

#include <gtest/gtest.h>

#include <kestrel/registry/config.h>

namespace kestrel {
namespace {

const std::filesystem::path kConfigs = std::filesystem::path(KESTREL_SOURCE_DIR) / "configs";

TEST(ShippedConfigs, AllLoadAndAreWrittenBackEqual) {
  int count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kConfigs)) {
    if (entry.path().extension() != ".yaml") continue;
    const Config config = Config::load(entry.path());
    EXPECT_EQ(Config::parse(config.to_yaml()), config) << entry.path();
    EXPECT_EQ(Config::parse(config.to_json()), config) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 15);
}

// The values that MMDetection 2.16's retinanet_r50_fpn_1x_coco.py resolves to.
TEST(ShippedConfigs, RetinaNetHasMMDetectionsValues) {
  const Config config = Config::load(kConfigs / "retinanet/retinanet_r50_fpn_1x_coco.yaml");
  const Config& model = config.at("model");
  EXPECT_EQ(model.at("backbone").at("frozen_stages").as_int(), 1);
  EXPECT_TRUE(model.at("backbone").at("norm_eval").as_bool());
  EXPECT_EQ(model.at("backbone").at("style").as_string(), "pytorch");
  EXPECT_EQ(model.at("neck").at("start_level").as_int(), 1);
  EXPECT_EQ(model.at("neck").at("add_extra_convs").as_string(), "on_input");
  EXPECT_EQ(model.at("bbox_head").at("anchor_generator").at("octave_base_scale").as_int(), 4);
  EXPECT_EQ(model.at("train_cfg").at("assigner").at("neg_iou_thr").as_float(), 0.4);
  EXPECT_EQ(model.at("test_cfg").at("score_thr").as_float(), 0.05);
  EXPECT_EQ(config.at("optimizer"),
            Config::parse("{type: SGD, lr: 0.01, momentum: 0.9, weight_decay: 0.0001}"));
  EXPECT_EQ(config.at("lr_config"),
            Config::parse("{policy: step, warmup: linear, warmup_iters: 500, "
                          "warmup_ratio: 0.001, step: [8, 11]}"));
  EXPECT_EQ(config.at("runner").at("max_epochs").as_int(), 12);
}

TEST(ShippedConfigs, VariantsChangeWhatTheirNamesSay) {
  const Config r18 = Config::load(kConfigs / "retinanet/retinanet_r18_fpn_2x_coco.yaml");
  EXPECT_EQ(r18.at("model").at("backbone").at("depth").as_int(), 18);
  EXPECT_EQ(r18.at("model").at("neck").at("in_channels"), Config::parse("[64, 128, 256, 512]"));
  EXPECT_EQ(r18.at("runner").at("max_epochs").as_int(), 24);
  EXPECT_EQ(r18.at("lr_config").at("step"), Config::parse("[16, 22]"));
  EXPECT_EQ(r18.at("optimizer").at("lr").as_float(), 0.01);

  const Config caffe = Config::load(kConfigs / "retinanet/retinanet_r101_caffe_fpn_1x_coco.yaml");
  const Config& backbone = caffe.at("model").at("backbone");
  EXPECT_EQ(backbone.at("depth").as_int(), 101);
  EXPECT_EQ(backbone.at("style").as_string(), "caffe");
  EXPECT_EQ(backbone.at("norm_cfg"), Config::parse("{type: BN, requires_grad: false}"));
  const Config& train = caffe.at("data").at("train");
  EXPECT_EQ(train.at("type").as_string(), "CocoDataset");
  EXPECT_FALSE(train.at("pipeline").items()[4].at("to_rgb").as_bool());
}

}  // namespace
}  // namespace kestrel
