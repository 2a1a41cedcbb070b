#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "../engine/tiny_retinanet.h"
#include "child.h"

// kestrel train, killed or interrupted at random moments, and continued: its files have to be those
// of a run that nothing happened to, byte for byte.

namespace kestrel::test {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

class Kill : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fresh_folder(::testing::UnitTest::GetInstance()->current_test_info()->name());
    Config config = tiny_config();
    for (const char* assignment :
         {"runner.max_epochs=2", "evaluation.interval=1", "optimizer_config.cumulative_iters=2",
          "checkpoint_config.interval=3", "checkpoint_config.by_epoch=false",
          "data.val.num_images=4"}) {
      config.apply_override(assignment);
    }
    config.set("custom_hooks", Config::parse("[{type: ExpMomentumEMAHook, total_iter: 20}]"));
    std::ofstream(folder_ / "tiny.yaml") << config.to_yaml();
    const auto start = Clock::now();
    const Finished whole = run(
        command("whole"), folder_,
        {{"LD_PRELOAD", KESTREL_FAULT_SHIM}, {"KESTREL_FAULT_LOG", (folder_ / "log").string()}});
    ASSERT_EQ(whole.code, 0) << whole.errors;
    seconds_ = std::chrono::duration<double>(Clock::now() - start).count();
    std::ifstream log(folder_ / "log");
    for (std::string line; std::getline(log, line);) ++operations_;
    ASSERT_GT(operations_, 100);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::vector<std::string> command(const std::string& run) const {
    return {KESTREL_CLI, "train", (folder_ / "tiny.yaml").string(), "--seed", "3", "--threads",
            "1",         "--out", (folder_ / run).string()};
  }
  /// Waits until a run has begun to train.
  void await_start(const std::string& name, Child& child) const {
    const auto deadline = Clock::now() + std::chrono::minutes(1);
    while (!fs::exists(folder_ / name / "config.yaml")) {
      ASSERT_LT(Clock::now(), deadline) << child.errors();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(0.2 * seconds_));
  }
  /// Goes on with a run; begins it where there is nothing to resume.
  Finished go_on(const std::string& name) const {
    Finished result = run(
        {KESTREL_CLI, "train", "--threads", "1", "--resume", (folder_ / name).string()}, folder_);
    if (result.code == 2 && result.errors.find("it has no resume") != std::string::npos) {
      result = run(command(name), folder_);
    }
    return result;
  }

  /// Everything that was not the time of day is as in the run that nothing happened to.
  void expect_as_whole(const std::string& name) const {
    for (const char* file : {"weights/last.safetensors", "weights/best.safetensors"}) {
      EXPECT_TRUE(bytes_of(folder_ / name / file) == bytes_of(folder_ / "whole" / file)) << file;
    }
    EXPECT_EQ(results_of(name), results_of("whole"));
  }
  /// Goes on to the end, which is that of the run that nothing happened to.
  void expect_end(const std::string& name) const {
    const Finished resumed = go_on(name);
    // A run that was over before the signal came has nothing to resume.
    if (resumed.errors.find("epochs are done") == std::string::npos) {
      EXPECT_EQ(resumed.code, 0) << resumed.errors;
    }
    expect_as_whole(name);
  }
  /// results.csv without its last column, which has times.
  std::string results_of(const std::string& name) const {
    std::ifstream in(folder_ / name / "results.csv");
    std::string text;
    for (std::string line; std::getline(in, line);) text += line.substr(0, line.rfind(',')) + '\n';
    return text;
  }

  fs::path folder_;
  double seconds_ = 0;      ///< That the whole run took.
  int64_t operations_ = 0;  ///< On checkpoint files, in the whole run.
};

TEST_F(Kill, TwentyTimesAtRandomMoments) {
  constexpr int kTrials = 20;
  constexpr int kWhileSaving = 7;
  std::random_device device;
  const unsigned seed = device();
  std::mt19937 random(seed);
  int killed = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const std::string name = "run" + std::to_string(trial);
    if (trial < kWhileSaving) {
      const auto n = std::uniform_int_distribution<int64_t>(1, operations_ * 9 / 10)(random);
      SCOPED_TRACE("seed " + std::to_string(seed) + ", while saving, at operation " +
                   std::to_string(n));
      const Finished result =
          run(command(name), folder_,
              {{"LD_PRELOAD", KESTREL_FAULT_SHIM}, {"KESTREL_FAULT", std::to_string(n) + ":kill"}});
      killed += result.code == -SIGKILL;
      expect_end(name);
    } else {
      const double after = std::uniform_real_distribution<double>(0, 0.9 * seconds_)(random);
      SCOPED_TRACE("seed " + std::to_string(seed) + ", after " + std::to_string(after) + " s");
      Child child(command(name), folder_);
      std::this_thread::sleep_for(std::chrono::duration<double>(after));
      child.signal(SIGKILL);
      killed += child.wait() == -SIGKILL;
      expect_end(name);
    }
    fs::remove_all(folder_ / name);
    if (HasFailure()) break;
  }
  std::printf("%d of %d runs were killed in the middle\n", killed, kTrials);
  EXPECT_GE(killed, kTrials * 3 / 4);
}

TEST_F(Kill, SignalsSaveAtTheNextStep) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::string name = "signal" + std::to_string(signal);
    Child child(command(name), folder_);
    await_start(name, child);
    const auto start = Clock::now();
    child.signal(signal);
    EXPECT_EQ(child.wait(), 130) << child.errors();
    EXPECT_LT(std::chrono::duration<double>(Clock::now() - start).count(), 10);
    EXPECT_NE(child.errors().find("to go on: --resume " + (folder_ / name).string()),
              std::string::npos)
        << child.errors();
    expect_end(name);
  }
}

TEST_F(Kill, ASecondSignalEndsItAtOnce) {
  // A step of some seconds, at whose end the first signal would be obeyed.
  std::vector<std::string> slow = command("slow");
  slow.insert(slow.end(), {"--set", "data.train.pipeline.2.img_scale=[3072, 3072]"});
  Child child(slow, folder_);
  await_start("slow", child);
  child.signal(SIGINT);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const auto start = Clock::now();
  child.signal(SIGINT);
  EXPECT_EQ(child.wait(), 130) << child.errors();
  EXPECT_LT(std::chrono::duration<double>(Clock::now() - start).count(), 1);
  EXPECT_EQ(child.errors().find("to go on"), std::string::npos) << "the first signal ended it";
}

}  // namespace
}  // namespace kestrel::test
