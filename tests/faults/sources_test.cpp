#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <kestrel/data/convert/write_coco.h>
#include <kestrel/data/datasets/shapes.h>
#include <kestrel/data/image.h>

#include "../engine/tiny_retinanet.h"
#include "../support/error_of.h"
#include "child.h"

// What the programs read is never written, and what they are to write is tried before they work.

namespace kestrel::test {
namespace {

namespace fs = std::filesystem;

class Sources : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fresh_folder(::testing::UnitTest::GetInstance()->current_test_info()->name());
    Config config = tiny_config();
    for (const char* change :
         {"runner.max_epochs=1", "data.train.num_images=4", "data.val.num_images=2"}) {
      config.apply_override(change);
    }
    std::ofstream(folder_ / "tiny.yaml") << config.to_yaml();
    const ShapesDataset shapes(
        {.split = "val", .num_images = 3, .image_size = 64, .min_size = 12, .max_size = 40});
    write_coco(shapes, folder_ / "data", "val2017");
    write_coco(
        ShapesDataset(
            {.split = "train", .num_images = 3, .image_size = 64, .min_size = 12, .max_size = 40}),
        folder_ / "data", "train2017");
    fs::create_directories(folder_ / "pics/deeper");
    for (int i = 0; i < 3; ++i) {
      const std::string name = std::to_string(i) + (i == 2 ? ".png" : ".jpg");
      write_image(folder_ / "pics" / name, shapes.load(i));
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  Finished kestrel(std::vector<std::string> arguments, const Environment& environment = {}) const {
    arguments.insert(arguments.begin(), KESTREL_CLI);
    return run(arguments, folder_, environment);
  }
  /// A model with one step of training.
  void make_model() const {
    const Finished made = kestrel({"train", "tiny.yaml", "--out", "model", "--max-iters", "1"});
    ASSERT_EQ(made.code, 0) << made.errors;
    fs::copy_file(folder_ / "model/weights/last.safetensors", folder_ / "model.safetensors");
  }
  /// All files and what is in them.
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      const std::string name = entry.path().lexically_relative(folder_).string();
      if (!entry.is_regular_file() || name.starts_with("std")) continue;
      all[name] = bytes_of(entry.path());
    }
    return all;
  }
  /// It ends with that code and text, and every file that was there is as it was.
  void expect_refused(const std::vector<std::string>& arguments, const std::string& text,
                      int code = 2, const Environment& environment = {}) const {
    std::string shown;
    for (const std::string& word : arguments) shown += word + ' ';
    SCOPED_TRACE(shown);
    const auto before = files();
    const Finished result = kestrel(arguments, environment);
    EXPECT_EQ(result.code, code) << result.errors;
    EXPECT_TRUE(contains(result.errors, text)) << result.errors;
    const auto after = files();
    for (const auto& [name, bytes] : before) {
      ASSERT_TRUE(after.contains(name)) << name;
      EXPECT_TRUE(after.at(name) == bytes) << name << " was changed";
    }
  }

  fs::path folder_;
};

TEST_F(Sources, AreNeverWrittenByAnyCommand) {
  make_model();
  fs::create_directory_symlink("pics", folder_ / "link");
  fs::create_directory(folder_ / "hard");
  fs::create_hard_link(folder_ / "pics/0.jpg", folder_ / "hard/0.jpg");
  fs::create_directory(folder_ / "album");
  write_image(folder_ / "album/0.jpg", Image(8, 8));
  const std::string weights = "model.safetensors";
  const auto detect = [&](const std::string& source, const std::string& out) {
    return std::vector<std::string>{"detect", "--weights", weights, source, "--out", out};
  };
  const std::string absolute = (folder_ / "pics").string();
  for (const char* out :
       {"pics", "./pics", "pics/", "pics/deeper/..", "link", "hard", absolute.c_str()}) {
    expect_refused(detect("pics", out), "would be overwritten");
  }
  expect_refused(detect("pics/0.jpg", "album"),
                 "is there already and is not a picture that Kestrel");
  expect_refused(detect("pics", "model"), "folder of a training run");
  expect_refused(detect("pics", "tiny.yaml"), "is a file");
  // What detect made itself it may replace; and of two runs of one picture none is lost.
  for (int i = 0; i < 2; ++i) EXPECT_EQ(kestrel(detect("pics", "found")).code, 0);
  EXPECT_TRUE(fs::exists(folder_ / "found/2.jpg"));
  expect_refused(detect("found", "found"), "would be overwritten");

  const std::string ann = "data/annotations/instances_val2017.json";
  expect_refused(
      {"test", "--weights", weights, "--data", "data", "--split", "val", "--results", ann},
      "is not a file of results");
  expect_refused({"test", "--weights", weights, "--results", weights}, "is not a file of results");
  expect_refused({"browse", "data", "--out", "pics/0.jpg"}, "is not a picture that Kestrel made");
  for (const char* out :
       {"model.safetensors", "./model.safetensors", "pics/../model.safetensors"}) {
    expect_refused({"convert", weights, out}, "would be overwritten");
  }
  expect_refused({"convert", weights, "tiny.yaml", "--names", "mmdetection"},
                 "tiny.yaml is there already");
  for (const char* out : {"pics", "data", "data/val2017", ".", "link"}) {
    expect_refused({"train", "tiny.yaml", "--out", out}, "holds other things than a run");
  }
  fs::remove(folder_ / "model/resume.safetensors");
  expect_refused(
      {"train", "tiny.yaml", "--out", "model", "--weights", "model/weights/last.safetensors"},
      "lies there and would be overwritten");
}

TEST_F(Sources, PicturesOfOtherKindsAreNamed) {
  make_model();
  for (const char* name : {"pics/a.heic", "pics/b.GIF", "pics/c.avif"})
    std::ofstream(folder_ / name) << "x";
  const Finished found = kestrel({"detect", "--weights", "model.safetensors", "pics"});
  EXPECT_EQ(found.code, 0) << found.errors;
  EXPECT_TRUE(contains(found.errors,
                       "3 pictures of kinds that are not read are left out: a.heic, b.GIF, c.avif"))
      << found.errors;
}

TEST_F(Sources, TwoRunsTogetherGetAFolderEach) {
  std::vector<std::unique_ptr<Child>> children;
  for (int i = 0; i < 3; ++i) {
    fs::create_directory(folder_ / std::to_string(i));
    // Their output goes to folders of their own; they run in one.
    children.push_back(std::make_unique<Child>(
        std::vector<std::string>{"/bin/bash", "-c",
                                 "cd .. && exec \"$0\" train tiny.yaml --threads 1", KESTREL_CLI},
        folder_ / std::to_string(i)));
  }
  for (const auto& child : children) EXPECT_EQ(child->wait(), 0) << child->errors();
  for (const char* name : {"tiny1", "tiny2", "tiny3"}) {
    EXPECT_TRUE(fs::exists(folder_ / "runs" / name / "weights/last.safetensors")) << name;
    EXPECT_FALSE(contains(bytes_of(folder_ / "runs" / name / "train.log"), "WARNING")) << name;
  }
  EXPECT_FALSE(fs::exists(folder_ / "runs/tiny4"));
}

TEST_F(Sources, ARunThatIsAliveIsLeftAlone) {
  fs::create_directory(folder_ / "first");
  Child first(
      {KESTREL_CLI, "train", "../tiny.yaml", "--out", "../mine", "--set", "runner.max_epochs=1000"},
      folder_ / "first");
  for (int i = 0; i < 6000 && !fs::exists(folder_ / "mine/resume.safetensors"); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_TRUE(fs::exists(folder_ / "mine/resume.safetensors")) << first.errors();
  const std::string text = "another process is writing to";
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"--resume", "mine"}, {"--resume", "./mine"}}) {
    std::vector<std::string> command = {"train"};
    command.insert(command.end(), more.begin(), more.end());
    const Finished second = kestrel(command);
    EXPECT_EQ(second.code, 2) << second.errors;
    EXPECT_TRUE(contains(second.errors, text)) << second.errors;
  }
}

TEST_F(Sources, AnEvaluationThatReadNoPictureFails) {
  make_model();
  fs::remove_all(folder_ / "data/val2017");
  fs::create_directories(folder_ / "data/val2017");
  expect_refused({"test", "--weights", "model.safetensors", "--data", "data", "--split", "val"},
                 "data/val2017", 3);
  fs::create_directory(folder_ / "broken");
  for (const char* name : {"a.jpg", "b.webp", "c.tif"})
    std::ofstream(folder_ / "broken" / name) << "no picture";
  expect_refused({"detect", "--weights", "model.safetensors", "broken"},
                 "none of 3 pictures could be read; the first is broken/a.jpg", 3);
  fs::create_directory(folder_ / "nothing");
  expect_refused({"detect", "--weights", "model.safetensors", "nothing"}, "nothing has no pictures",
                 3);
  std::ofstream(folder_ / "empty.json")
      << R"({"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}]})";
  std::ofstream(folder_ / "found.json") << "[]";
  expect_refused({"evaluate", "--annotations", "empty.json", "--results", "found.json"},
                 "empty.json", 3);
}

TEST_F(Sources, ASaveThatCannotSucceedIsFoundBeforeTraining) {
  const auto train = [](const std::string& out) {
    return std::vector<std::string>{"train", "tiny.yaml", "--out", out};
  };
  expect_refused(train("tiny.yaml"), "is a file");
  expect_refused(train("tiny.yaml/run"), "cannot be made");
  expect_refused(train("/proc/kestrel/run"), "cannot be made");
  expect_refused(train("full"), "0.1 MB are free there, and", 4,
                 {{"LD_PRELOAD", KESTREL_FAULT_SHIM}, {"KESTREL_FREE_BYTES", "100000"}});
  EXPECT_FALSE(fs::exists(folder_ / "full/metrics.jsonl"));
  const Finished limited = run(
      {"/bin/bash", "-c", "ulimit -f 300; exec \"$0\" train tiny.yaml --out limited", KESTREL_CLI},
      folder_);
  EXPECT_EQ(limited.code, 4) << limited.errors;
  EXPECT_TRUE(contains(limited.errors, "(ulimit -f)")) << limited.errors;
}

// A folder's name in Latin-1, as old disks have them: a run in it, resumed from elsewhere.
TEST_F(Sources, FoldersWhoseNameIsNotUtf8HoldRuns) {
  const std::string odd = "caf\xE9";
  fs::create_directories(folder_ / odd);
  fs::copy_file(folder_ / "tiny.yaml", folder_ / odd / "tiny.yaml");
  const Finished first = run({KESTREL_CLI, "train", "tiny.yaml", "--out", odd, "--max-iters", "1",
                              "--set", "runner.max_epochs=2"},
                             folder_ / odd);
  ASSERT_EQ(first.code, 0) << first.errors;
  const std::string out = odd + "/" + odd;
  EXPECT_TRUE(fs::exists(folder_ / out / "weights/last.safetensors"));
  const Finished resumed = kestrel({"train", "--resume", out});
  EXPECT_EQ(resumed.code, 0) << resumed.errors;
  EXPECT_TRUE(contains(resumed.output, "where the run began")) << resumed.output;
  const Finished found = kestrel(
      {"detect", "--weights", out + "/weights/last.safetensors", "pics", "--out", odd + "/found"});
  EXPECT_EQ(found.code, 0) << found.errors;
  // Of data, which the weights' file has to name, it is said before the first step.
  fs::rename(folder_ / "data", folder_ / odd / "data");
  const Finished data =
      run({KESTREL_TRAIN_RETINANET, "--data", odd + "/data", "--out", "x"}, folder_);
  EXPECT_EQ(data.code, 3);
  EXPECT_TRUE(contains(data.errors, "is not UTF-8")) << data.errors;
}

TEST_F(Sources, ARunGoesOnFromAnotherFolder) {
  const Finished first = run({KESTREL_TRAIN_RETINANET, "--data", "data", "--config", "tiny.yaml",
                              "--out", "x", "--max-iters", "1", "--epochs", "2"},
                             folder_);
  ASSERT_EQ(first.code, 0) << first.errors;
  fs::create_directories(folder_ / "other");
  for (const std::string& to : {std::string("../x"), (folder_ / "x").string()}) {
    fs::remove_all(folder_ / "copy");
    fs::copy(folder_ / "x", folder_ / "copy", fs::copy_options::recursive);
    const Finished resumed = run({KESTREL_CLI, "train", "--resume", to}, folder_ / "other");
    EXPECT_EQ(resumed.code, 0) << resumed.errors;
    EXPECT_TRUE(contains(resumed.output, "where the run began")) << resumed.output;
    fs::remove_all(folder_ / "x");
    fs::rename(folder_ / "copy", folder_ / "x");
  }
  EXPECT_TRUE(fs::is_empty(folder_ / "other") || !fs::exists(folder_ / "other/runs"));
}

TEST_F(Sources, ConvertSaysWhatItTookAndWhetherTheResultRuns) {
  make_model();
  const Config whole = Config::load(folder_ / "tiny.yaml");
  Config model_alone = Config::map();
  model_alone.set("model", whole.at("model"));
  std::ofstream(folder_ / "alone.yaml") << model_alone.to_yaml();
  expect_refused({"convert", "model.safetensors", "a.safetensors", "--config", "alone.yaml"},
                 "detect and test cannot run what alone.yaml describes");
  const Finished runs =
      kestrel({"convert", "model.safetensors", "a.safetensors", "--config", "tiny.yaml"});
  EXPECT_EQ(runs.code, 0) << runs.errors;
  EXPECT_EQ(kestrel({"detect", "--weights", "a.safetensors", "pics", "--out", "found"}).code, 0);

  fs::copy_file(fs::path(KESTREL_TEST_DIR) / "golden/data/pth/2_beside.pth", folder_ / "sets.pth");
  expect_refused({"convert", "sets.pth", "b.safetensors"},
                 "dicts of tensors: 'net' (2), 'ema.module' (2)", 4);
  expect_refused({"train", "tiny.yaml", "--weights", "sets.pth", "--key", "nix"},
                 "has no key 'nix'", 4);
  expect_refused({"train", "tiny.yaml", "--key", "ema"}, "--key requires --weights");
  const Finished chosen = kestrel({"convert", "sets.pth", "b.safetensors", "--key", "ema.module"});
  EXPECT_EQ(chosen.code, 0) << chosen.errors;
  EXPECT_TRUE(contains(chosen.output, "2 tensors")) << chosen.output;
}

}  // namespace
}  // namespace kestrel::test
