#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <kestrel/data/image.h>
#include <kestrel/data/transforms/sample.h>
#include <kestrel/engine/hooks/plot_hook.h>
#include <kestrel/engine/records/batch_pictures.h>
#include <kestrel/engine/records/run_log.h>
#include <kestrel/engine/records/training_history.h>
#include <kestrel/engine/train.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/log.h>
#include <kestrel/tensor/random.h>

#include "tiny_retinanet.h"
#include "toy_task.h"

namespace kestrel {
namespace {

namespace fs = std::filesystem;

class RunFiles : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / (std::to_string(::getpid()) + "_kestrel_" + info->name());
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string text_of(const std::string& name) const {
    std::ifstream in(folder_ / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  /// Names of the folder's files; that of the events file without what differs from run to run.
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      const std::string name = entry.path().filename().string();
      names.insert(name.starts_with("events.out.tfevents.") ? "events.out.tfevents" : name);
    }
    return names;
  }

  fs::path folder_;
};

/// With the pictures that tiny_config() leaves out.
Config two_epochs() {
  Config config = tiny_config();
  config.set("default_hooks",
             Config::load(fs::path(KESTREL_SOURCE_DIR) / "configs/_base_/default_runtime.yaml")
                 .at("default_hooks"));
  for (const char* assignment : {"runner.max_epochs=2", "evaluation.interval=1",
                                 "log_config.interval=8", "model.test_cfg.score_thr=0.01"}) {
    config.apply_override(assignment);
  }
  return config;
}

TEST_F(RunFiles, EverythingIsThereAndReadable) {
  std::vector<std::string> said;
  TrainOptions options{.out = folder_, .seed = 1};
  options.log.line = [&](std::string_view text) { said.emplace_back(text); };
  train_detector(two_epochs(), options);
  const std::set<std::string> found = files();
  for (const char* name :
       {"config.yaml", "environment.txt", "train.log", "metrics.jsonl", "results.csv",
        "results.png", "PR_curve.png", "confusion_matrix.png", "labels.png", "train_batch0.jpg",
        "train_batch1.jpg", "train_batch2.jpg", "val_batch0_labels.jpg", "val_batch0_pred.jpg",
        "coco_results.json", "worst_pictures.jpg", "events.out.tfevents"}) {
    EXPECT_TRUE(found.contains(name)) << name;
  }
  EXPECT_FALSE(found.contains("train_batch3.jpg"));
  for (const std::string& name : found) {
    EXPECT_FALSE(name.ends_with(".part")) << name;
    if (name.ends_with(".png") || name.ends_with(".jpg")) {
      EXPECT_FALSE(read_image(folder_ / name).empty()) << name;
    }
  }
  // 20 iterations an epoch: records after 8, 16 and 20, and one of the evaluation.
  const auto records = read_history(folder_ / "metrics.jsonl");
  std::vector<int64_t> iters;
  for (const HistoryRecord& record : records) iters.push_back(record.iter);
  EXPECT_EQ(iters, (std::vector<int64_t>{8, 16, 20, 20, 28, 36, 40, 40}));
  EXPECT_EQ(records[3].mode, "val");
  EXPECT_GE(records[3].value("ap"), 0);
  for (const char* name : {"lr", "loss_cls", "loss_bbox", "loss", "time", "data_time", "memory"}) {
    EXPECT_GE(records[0].value(name), 0) << name;
  }
  // Every line that was said is in the log, with its time.
  const std::string log = text_of("train.log");
  ASSERT_FALSE(said.empty());
  for (const std::string& line : said) {
    EXPECT_NE(log.find(" INFO " + line + '\n'), std::string::npos) << line;
  }
  EXPECT_NE(text_of("environment.txt").find("revision"), std::string::npos);
  EXPECT_TRUE(nlohmann::json::parse(text_of("coco_results.json")).is_array());
}

TEST_F(RunFiles, EachCanBeLeftOut) {
  const std::pair<const char*, const char*> of_hook[] = {
      {"labels", "labels.png"},
      {"train_batch", "train_batch0.jpg"},
      {"val_batch", "val_batch0_labels.jpg"},
      {"curves", "results.png"},
      {"precision_recall", "PR_curve.png"},
      {"confusion_matrix", "confusion_matrix.png"},
      {"coco_results", "coco_results.json"},
      {"worst", "worst_pictures.jpg"}};
  Config config = two_epochs();
  config.apply_override("runner.max_epochs=1");
  config.apply_override("data.train.num_images=4");
  config.apply_override("data.val.num_images=2");
  for (const auto& [hook, file] : of_hook) {
    Config without = config;
    without.apply_override(std::string("default_hooks.") + hook + "=null");
    train_detector(without, {.out = folder_});
    const std::set<std::string> found = files();
    for (const auto& [other, other_file] : of_hook) {
      EXPECT_EQ(found.contains(other_file), file != other_file)
          << other_file << " without " << hook;
    }
    fs::remove_all(folder_);
  }
  config.apply_override("log_config.hooks=[{type: CsvLoggerHook}]");
  config.set("default_hooks", nullptr);
  train_detector(config, {.out = folder_});
  const std::set<std::string> found = files();
  EXPECT_TRUE(found.contains("results.csv"));
  for (const char* file : {"metrics.jsonl", "events.out.tfevents", "results.png", "labels.png"}) {
    EXPECT_FALSE(found.contains(file)) << file;
  }
}

TEST_F(RunFiles, AContinuedRunHasEveryRecordOnce) {
  Config config = two_epochs();
  config.set("default_hooks", nullptr);
  train_detector(config, {.out = folder_, .seed = 1, .max_iters = 25});
  {
    // What a run that was killed later than it was saved leaves, the last line cut.
    std::ofstream later(folder_ / "metrics.jsonl", std::ios::app);
    later << to_json_line({.mode = "train", .epoch = 2, .iter = 28, .iters_per_epoch = 20})
          << "{\"mode\":\"tr";
  }
  const std::string log = text_of("train.log");
  train_detector(config, {.out = folder_, .seed = 1, .resume = true});
  std::vector<int64_t> iters;
  for (const HistoryRecord& record : read_history(folder_ / "metrics.jsonl")) {
    iters.push_back(record.iter);
  }
  EXPECT_EQ(iters, (std::vector<int64_t>{8, 16, 20, 20, 28, 36, 40, 40}));
  EXPECT_TRUE(text_of("train.log").starts_with(log)) << "the log goes on";
  int64_t event_files = 0;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    event_files += entry.path().filename().string().starts_with("events.out.tfevents.") ? 1 : 0;
  }
  EXPECT_EQ(event_files, 2);
  // A new run in the same folder begins anew.
  train_detector(config, {.out = folder_, .seed = 1, .max_iters = 8});
  EXPECT_EQ(read_history(folder_ / "metrics.jsonl").size(), 1U);
}

TEST_F(RunFiles, AnUnknownHookIsRefusedByName) {
  Config config = two_epochs();
  config.apply_override("default_hooks.curves={type: CurvesPlotHook}");
  try {
    train_detector(config, {.out = folder_});
    FAIL() << "a hook that is not there was accepted";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("CurvePlotHook"), std::string::npos) << error.what();
  }
}

TEST_F(RunFiles, WarningsAndTheErrorThatEndsARunAreInItsLog) {
  fs::create_directories(folder_);
  std::vector<std::string> shown;
  WarningSink before = set_warning_sink([&](std::string_view text) { shown.emplace_back(text); });
  {
    RunLog log({.line = [&](std::string_view text) { shown.emplace_back(text); }});
    log.sink().line("before the file is there");
    log.open(folder_ / "train.log", false);
    warn("a warning");
    log.add("ERROR", "an error");
  }
  warn("after it");
  set_warning_sink(before);
  EXPECT_EQ(shown, (std::vector<std::string>{"before the file is there", "a warning", "after it"}));
  const std::string text = text_of("train.log");
  EXPECT_NE(text.find(" INFO before the file is there\n"), std::string::npos) << text;
  EXPECT_NE(text.find(" WARNING a warning\n"), std::string::npos) << text;
  EXPECT_NE(text.find(" ERROR an error\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("after it"), std::string::npos) << text;
}

TEST_F(RunFiles, ABatchIsShownAsItWas) {
  const NormalizeOptions normalization{
      .mean = {123.675F, 116.28F, 103.53F}, .std = {58.395F, 57.12F, 57.375F}, .to_rgb = false};
  Image image(4, 6);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(i * 7);
  Sample sample(image);
  Philox random(0);
  Normalize(normalization).apply(sample, random);
  Tensor pixels = Tensor::zeros({1, 4, 6, 3});
  sample.write(pixels.data<float>(), 4, 6);
  EXPECT_EQ(batch_images(pixels, normalization)[0], image);

  const Config nested = Config::parse(
      "{type: RepeatDataset, times: 2, dataset: {type: CocoDataset, pipeline: [{type: Resize}, "
      "{type: Normalize, mean: [1, 2, 3], std: [4, 5, 6], to_rgb: false}]}}");
  EXPECT_EQ(normalization_of(nested).mean[2], 3);
  EXPECT_FALSE(normalization_of(nested).to_rgb);
  EXPECT_EQ(normalization_of(Config::parse("{pipeline: []}")).std[0], 1);
}

/// Counts its drawings, which take as long as is said.
class CountedPlot final : public PlotHook {
 public:
  CountedPlot(std::shared_ptr<DrawingBudget> budget, std::chrono::milliseconds time)
      : PlotHook(std::move(budget)), time_(time) {}
  int drawn = 0;

 private:
  bool has_news(const Runner&) const override { return true; }
  void draw(const Runner&) override {
    ++drawn;
    std::this_thread::sleep_for(time_);
  }
  std::chrono::milliseconds time_;
};

TEST_F(RunFiles, PicturesThatTakeTooLongAreDrawnLessOften) {
  const auto drawings = [](int milliseconds) {
    ToyModel model;
    ToyTask task(model, 2, 2);
    Runner runner(task, 20);
    const auto plot = std::make_shared<CountedPlot>(std::make_shared<DrawingBudget>(),
                                                    std::chrono::milliseconds(milliseconds));
    runner.add_hook(plot, Priority::VeryLow);
    runner.run();
    return plot->drawn;
  };
  // Epochs take no time at all: the first and the last are drawn.
  EXPECT_EQ(drawings(20), 2);
  EXPECT_GE(drawings(0), 2);
}

}  // namespace
}  // namespace kestrel
