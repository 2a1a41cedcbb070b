#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <kestrel/data/convert/write_coco.h>
#include <kestrel/data/datasets/shapes.h>
#include <kestrel/engine/checkpoints/checkpoint.h>
#include <kestrel/tensor/safetensors.h>

#include "../engine/tiny_retinanet.h"
#include "child.h"

// A run on a user's files is killed, its disk filled, its folder removed, each at random moments:
// KESTREL_MOMENTS of each kind, 4 by default.

namespace kestrel::test {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

int moments() {
  const char* number = std::getenv("KESTREL_MOMENTS");
  return number ? std::atoi(number) : 4;
}

class Moments : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fresh_folder(::testing::UnitTest::GetInstance()->current_test_info()->name());
    for (const auto& [split, part, count] :
         {std::tuple("train", "train2017", 16), {"val", "val2017", 4}}) {
      write_coco(ShapesDataset({.split = split,
                                .num_images = count,
                                .image_size = 64,
                                .min_size = 12,
                                .max_size = 40}),
                 folder_ / "data", part);
    }
    Config config = tiny_config();
    Config data = config.at("data");
    for (const auto& [key, part] : {std::pair("train", "train2017"), {"val", "val2017"}}) {
      Config node = Config::map();
      node.set("type", "CocoDataset");
      node.set("ann_file", std::string("data/annotations/instances_") + part + ".json");
      node.set("img_prefix", std::string("data/") + part);
      node.set("pipeline", data.at(key).at("pipeline"));
      data.set(key, node);
    }
    config.set("data", data);
    for (const char* change :
         {"runner.max_epochs=2", "evaluation.interval=1", "checkpoint_config.interval=2",
          "checkpoint_config.by_epoch=false", "log_config.interval=2"}) {
      config.apply_override(change);
    }
    std::ofstream(folder_ / "tiny.yaml") << config.to_yaml();
    const auto start = Clock::now();
    const Finished whole = run(
        command("whole"), folder_,
        {{"LD_PRELOAD", KESTREL_FAULT_SHIM}, {"KESTREL_FAULT_LOG", (folder_ / "log").string()}});
    ASSERT_EQ(whole.code, 0) << whole.errors;
    seconds_ = std::chrono::duration<double>(Clock::now() - start).count();
    std::ifstream log(folder_ / "log");
    for (std::string line; std::getline(log, line);) ++operations_;
    ASSERT_GT(operations_, 50);
    mine_ = user_files();
    seed_ = std::random_device()();
    random_.seed(seed_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::vector<std::string> command(const std::string& out) const {
    return {KESTREL_CLI, "train", "tiny.yaml", "--seed", "3", "--threads", "1", "--out", out};
  }
  double moment(double share = 1) {
    return std::uniform_real_distribution<double>(0, share * seconds_)(random_);
  }
  std::map<std::string, std::string> user_files() const {
    std::map<std::string, std::string> all = {{"tiny.yaml", bytes_of(folder_ / "tiny.yaml")}};
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "data")) {
      if (entry.is_regular_file()) all[entry.path().string()] = bytes_of(entry.path());
    }
    return all;
  }

  /// Every file of the run is whole, and no file of the user's was touched.
  void expect_whole_files(const std::string& out) const {
    const fs::path run = folder_ / out;
    for (const char* name : {"last.safetensors", "best.safetensors"}) {
      const fs::path file = run / "weights" / name;
      if (fs::exists(file)) {
        EXPECT_NO_THROW(read_safetensors(file)) << file;
      }
    }
    if (fs::exists(resume_file(run))) {
      EXPECT_NO_THROW(read_resume_file(resume_file(run)));
    }
    EXPECT_TRUE(user_files() == mine_) << "a file of the user's was changed";
  }
  /// The run goes on, or begins anew where it had saved nothing, and ends as the whole one.
  void expect_end(const std::string& out) const {
    Finished result = run({KESTREL_CLI, "train", "--threads", "1", "--resume", out}, folder_);
    const bool nothing = result.errors.find("nothing to resume") != std::string::npos;
    const bool over = result.errors.find("epochs are done") != std::string::npos;
    if (nothing && !over) result = run(command(out), folder_);
    if (!over) {
      EXPECT_EQ(result.code, 0) << result.errors;
    }
    for (const char* file : {"weights/last.safetensors", "weights/best.safetensors"}) {
      EXPECT_TRUE(bytes_of(folder_ / out / file) == bytes_of(folder_ / "whole" / file)) << file;
    }
    EXPECT_TRUE(user_files() == mine_) << "a file of the user's was changed";
    fs::remove_all(folder_ / out);
  }
  std::string trace(int i, const std::string& what) const {
    return "seed " + std::to_string(seed_) + ", moment " + std::to_string(i) + ", " + what;
  }

  fs::path folder_;
  double seconds_ = 0;
  int64_t operations_ = 0;
  std::map<std::string, std::string> mine_;
  unsigned seed_ = 0;
  std::mt19937 random_;
};

TEST_F(Moments, Killed) {
  for (int i = 0; i < moments() && !HasFailure(); ++i) {
    const double after = moment();
    SCOPED_TRACE(trace(i, "killed after " + std::to_string(after) + " s"));
    Child child(command("killed"), folder_);
    std::this_thread::sleep_for(std::chrono::duration<double>(after));
    child.signal(SIGKILL);
    child.wait();
    expect_whole_files("killed");
    expect_end("killed");
  }
}

TEST_F(Moments, DiskFilled) {
  for (int i = 0; i < moments() && !HasFailure(); ++i) {
    const auto n = std::uniform_int_distribution<int64_t>(1, operations_)(random_);
    SCOPED_TRACE(trace(i, "no space from operation " + std::to_string(n)));
    const Finished result = run(command("filled"), folder_,
                                {{"LD_PRELOAD", KESTREL_FAULT_SHIM},
                                 {"KESTREL_FAULT", std::to_string(n) + ":ENOSPC:always"}});
    if (result.code != 0) {
      EXPECT_NE(result.errors.find("No space left on device"), std::string::npos) << result.errors;
      EXPECT_TRUE(result.code == 2 || result.code == 4) << result.code;
    }
    expect_whole_files("filled");
    expect_end("filled");
  }
}

TEST_F(Moments, FolderRemoved) {
  for (int i = 0; i < moments() && !HasFailure(); ++i) {
    const double after = moment(0.9);
    SCOPED_TRACE(trace(i, "removed after " + std::to_string(after) + " s"));
    Child child(command("removed"), folder_);
    std::this_thread::sleep_for(std::chrono::duration<double>(after));
    const fs::path away = folder_ / "away";
    std::error_code error;
    fs::rename(folder_ / "removed", away, error);  // at once, as a file manager does
    const bool over = bytes_of(away / "train.log").find(" done in ") != std::string::npos;
    fs::remove_all(away, error);
    const int code = child.wait();
    // Where something could not be put back into its place, it says so.
    if (code != 0) {
      EXPECT_FALSE(child.errors().empty());
      EXPECT_TRUE(code > 0 && code < 10) << code;
    } else if (!over) {
      EXPECT_NO_THROW(read_safetensors(folder_ / "removed/weights/last.safetensors"));
    }
    expect_whole_files("removed");
    fs::remove_all(folder_ / "removed");
  }
}

}  // namespace
}  // namespace kestrel::test
