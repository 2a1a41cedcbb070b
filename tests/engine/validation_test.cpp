// Validation sets that cannot say how good a model is.
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include <kestrel/data/convert/write_coco.h>
#include <kestrel/data/datasets/shapes.h>
#include <kestrel/engine/checkpoints/checkpoint.h>
#include <kestrel/engine/hooks/early_stopping_hook.h>
#include <kestrel/engine/hooks/eval_hook.h>
#include <kestrel/engine/train.h>
#include <kestrel/kernels/log.h>

#include "../support/error_of.h"
#include "tiny_retinanet.h"
#include "toy_task.h"

namespace kestrel {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::error_of;

class Validation : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              (std::string("kestrel_validation_") + std::to_string(::getpid()) +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
    set_warning_sink([this](std::string_view text) { warnings_ += std::string(text) + '\n'; });
  }
  void TearDown() override {
    set_warning_sink({});
    fs::remove_all(folder_);
  }

  /// The tiny run, validated on a COCO data set of pictures of shapes.
  Config config() const {
    const ShapesDataset shapes(
        {.split = "val", .num_images = 4, .image_size = 64, .min_size = 12, .max_size = 40});
    write_coco(shapes, folder_ / "data", "val2017");
    Config config = tiny_config();
    config.apply_override("runner.max_epochs=2");
    config.apply_override("evaluation.interval=1");
    config.apply_override("data.train.num_images=4");
    Config data = config.at("data");
    Config val = Config::map();
    val.set("type", "CocoDataset");
    val.set("ann_file", annotations().string());
    val.set("img_prefix", (folder_ / "data/val2017").string());
    val.set("pipeline", data.at("val").at("pipeline"));
    data.set("val", val);
    config.set("data", data);
    return config;
  }
  fs::path annotations() const { return folder_ / "data/annotations/instances_val2017.json"; }
  /// Takes a part out of the annotations.
  void cut(const std::string& from, const std::string& to, const std::string& instead) const {
    std::ifstream in(annotations());
    std::string text{std::istreambuf_iterator<char>(in), {}};
    const size_t begin = text.find(from), end = text.find(to, begin);
    ASSERT_NE(end, std::string::npos);
    std::ofstream(annotations()) << text.replace(begin, end - begin, instead);
  }

  fs::path folder_;
  std::string warnings_;
};

TEST_F(Validation, WithoutAPictureThatCanBeReadNothingIsTrained) {
  const Config config = this->config();
  for (const auto& entry : fs::directory_iterator(folder_ / "data/val2017")) fs::remove(entry);
  const std::string why =
      error_of<DataError>([&] { train_detector(config, {.out = folder_ / "run"}); });
  EXPECT_TRUE(contains(why, "none of the 4 pictures")) << why;
  EXPECT_TRUE(contains(why, (folder_ / "data/val2017").string())) << why;
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

TEST_F(Validation, WhosePicturesGoDuringTheRunLosesNothing) {
  const Config config = this->config();
  LogSink log;
  log.line = [&](std::string_view text) {
    if (contains(std::string(text), "writing to")) fs::remove_all(folder_ / "data/val2017");
  };
  const std::string why =
      error_of<DataError>([&] { train_detector(config, {.out = folder_ / "run", .log = log}); });
  EXPECT_TRUE(contains(why, "none of the 4 pictures")) << why;
  EXPECT_TRUE(contains(why, "what was trained is saved, and --resume")) << why;
  const Safetensors state = read_resume_file(resume_file(folder_ / "run"));
  EXPECT_EQ(state.metadata.at("inner_iter"), "2") << "of two: the evaluation comes next";
  // With its pictures back, the run ends as one that nothing happened to.
  static_cast<void>(this->config());
  const TrainSummary resumed = train_detector(config, {.out = folder_ / "run", .resume = true});
  const TrainSummary whole = train_detector(config, {.out = folder_ / "whole"});
  EXPECT_EQ(resumed.weights_hash, whole.weights_hash);
  EXPECT_EQ(resumed.metrics, whole.metrics);
}

TEST_F(Validation, WithoutAnObjectWarnsAndChoosesNothing) {
  Config config = this->config();
  cut("\"annotations\":", "\"categories\"", "\"annotations\": [],\n");
  config.apply_override("runner.max_epochs=3");
  config.apply_override("custom_hooks=[{type: EarlyStoppingHook, patience: 1}]");
  const TrainSummary summary = train_detector(config, {.out = folder_ / "run"});
  EXPECT_TRUE(contains(warnings_, "has no object: its AP is -1")) << warnings_;
  EXPECT_FALSE(fs::exists(folder_ / "run/weights/best.safetensors"));
  EXPECT_TRUE(fs::exists(summary.last));
  EXPECT_EQ(summary.position.epoch, 3) << "patience ended it";
}

TEST_F(Validation, OfCrowdsAloneWarnsToo) {
  const Config config = this->config();
  std::ifstream in(annotations());
  std::string text{std::istreambuf_iterator<char>(in), {}};
  for (size_t at = text.find("\"iscrowd\""); at != text.npos;
       at = text.find("\"iscrowd\"", at + 1)) {
    text[text.find('0', at)] = '1';
  }
  std::ofstream(annotations()) << text;
  train_detector(config, {.out = folder_ / "run"});
  EXPECT_TRUE(contains(warnings_, "has no object that counts, only crowds")) << warnings_;
}

TEST(SaysNothing, MinusOneIsNoScore) {
  EXPECT_TRUE(says_nothing("ap", -1));
  EXPECT_TRUE(says_nothing("ap", std::nan("")));
  EXPECT_FALSE(says_nothing("ap", 0));
  EXPECT_FALSE(says_nothing("val_loss", -1));
}

}  // namespace
}  // namespace kestrel
