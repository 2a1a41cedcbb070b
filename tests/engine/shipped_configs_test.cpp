// Every config under configs/ builds, trains a step, and leaves a model that detects and is tested.
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include <kestrel/data/convert/write_coco.h>
#include <kestrel/data/datasets/coco.h>
#include <kestrel/data/datasets/shapes.h>
#include <kestrel/engine/evaluate.h>
#include <kestrel/engine/train.h>
#include <kestrel/inference/detector.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> recipes() {
  std::vector<std::string> names;
  const fs::path configs = fs::path(KESTREL_SOURCE_DIR) / "configs";
  for (const auto& entry : fs::recursive_directory_iterator(configs)) {
    const fs::path name = entry.path().lexically_relative(configs);
    if (name.extension() == ".yaml" && *name.begin() != "_base_") names.push_back(name.string());
  }
  std::ranges::sort(names);
  return names;
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = fs::path(info.param).stem();
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

/// Every img_scale is that of small pictures.
Config with_small_scale(const Config& node) {
  if (node.is_list()) {
    Config list = Config::list();
    for (const Config& item : node.items()) list.push_back(with_small_scale(item));
    return list;
  }
  if (!node.is_map()) return node;
  Config map = Config::map();
  for (const Config::Entry& entry : node.entries()) {
    map.set(entry.key,
            entry.key == "img_scale" ? Config::parse("[64, 64]") : with_small_scale(entry.value));
  }
  return map;
}

const Config& pipeline_of(const Config& dataset) {
  const Config* inner = dataset.find("dataset");
  return inner ? pipeline_of(*inner) : dataset.at("pipeline");
}

class ShippedRecipes : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("kestrel_recipes_" + std::to_string(::getpid()));
    for (const auto& [split, part] : {std::pair("train", "train2017"), {"val", "val2017"}}) {
      write_coco(
          ShapesDataset(
              {.split = split, .num_images = 2, .image_size = 64, .min_size = 16, .max_size = 48}),
          folder_ / "data", part);
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  Config dataset(const char* part, const Config& like) const {
    Config node = Config::map();
    node.set("type", "CocoDataset");
    node.set("ann_file", (folder_ / "data/annotations/instances_").string() + part + ".json");
    node.set("img_prefix", (folder_ / "data" / part).string());
    node.set("pipeline", with_small_scale(pipeline_of(like)));
    return node;
  }

  fs::path folder_;
};

TEST_P(ShippedRecipes, TrainsAndLeavesAModelThatRuns) {
  Config config = Config::load(fs::path(KESTREL_SOURCE_DIR) / "configs" / GetParam());
  Config data = config.at("data");
  for (const auto& [key, part] :
       {std::pair("train", "train2017"), {"val", "val2017"}, {"test", "val2017"}}) {
    data.set(key, dataset(part, data.at(key)));
  }
  config.set("data", data);
  const int64_t classes =
      ShapesDataset({.num_images = 1, .image_size = 64, .min_size = 16, .max_size = 48})
          .num_classes();
  const bool basic = config.at("model").at("backbone").at("depth").as_int() < 50;
  for (const std::string& change :
       {"model.bbox_head.num_classes=" + std::to_string(classes),
        std::string("model.backbone.init_cfg=None"), std::string("model.backbone.base_channels=8"),
        std::string(basic ? "model.neck.in_channels=[8, 16, 32, 64]"
                          : "model.neck.in_channels=[32, 64, 128, 256]"),
        std::string("model.neck.out_channels=32"), std::string("model.bbox_head.in_channels=32"),
        std::string("model.bbox_head.feat_channels=32"), std::string("data.samples_per_gpu=2"),
        std::string("data.workers_per_gpu=0"), std::string("runner.max_epochs=1"),
        std::string("default_hooks=null"), std::string("log_config.hooks=[]")}) {
    config.apply_override(change);
  }
  const TrainSummary summary = train_detector(config, {.out = folder_ / "run"});
  ASSERT_TRUE(fs::exists(summary.last));
  ASSERT_FALSE(summary.metrics.empty()) << "it was not evaluated";

  Detector detector = Detector::load(summary.last);
  EXPECT_NO_THROW(detector.detect(Image(48, 64)));
  // As kestrel test does it.
  const CocoDataset val({.ann_file = (folder_ / "data/annotations/instances_val2017.json").string(),
                         .img_prefix = (folder_ / "data/val2017").string(),
                         .test_mode = true});
  EXPECT_EQ(val.class_names(), detector.classes());
  EXPECT_NO_THROW(detect_all(detector.model(), val,
                             Pipeline(detector.config().at("data").at("test").at("pipeline"))));
}

INSTANTIATE_TEST_SUITE_P(Configs, ShippedRecipes, ::testing::ValuesIn(recipes()), test_name);

}  // namespace
}  // namespace kestrel
