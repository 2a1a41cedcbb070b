#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "../engine/tiny_retinanet.h"
#include "child.h"

// Exit codes of the programs that train, and what they say.

namespace kestrel::test {
namespace {

namespace fs = std::filesystem;

class Programs : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fresh_folder(::testing::UnitTest::GetInstance()->current_test_info()->name());
    Config config = tiny_config();
    config.apply_override("runner.max_epochs=1");
    std::ofstream(folder_ / "tiny.yaml") << config.to_yaml();
    Config data = config.at("data");
    Config absent = Config::parse("{type: CocoDataset, ann_file: none.json, img_prefix: .}");
    absent.set("pipeline", data.at("train").at("pipeline"));
    data.set("train", absent);
    config.set("data", data);
    std::ofstream(folder_ / "absent.yaml") << config.to_yaml();
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// kestrel train tiny.yaml with more options.
  Finished train(std::vector<std::string> more) const {
    more.insert(more.begin(), {KESTREL_CLI, "train", "tiny.yaml", "--threads", "1"});
    return run(more, folder_);
  }
  Finished resume(std::vector<std::string> more) const {
    more.insert(more.begin(), {KESTREL_CLI, "train", "--threads", "1"});
    return run(more, folder_);
  }

  fs::path folder_;
};

void expect_code(const Finished& result, int code, const std::string& text) {
  EXPECT_EQ(result.code, code) << result.errors;
  EXPECT_NE(result.errors.find(text), std::string::npos) << result.errors;
}

TEST_F(Programs, ExitCodes) {
  expect_code(train({"--sed", "1"}), 2, "did you mean '--seed'");
  expect_code(train({"--set", "optimizer.lrr=1"}), 2, "did you mean 'lr'");
  expect_code(train({"--freeze", "bakbone"}), 2, "did you mean 'backbone'");
  expect_code(train({"--batch", "0"}), 2, "--batch");
  expect_code(run({KESTREL_TRAIN_RETINANET, "--config", "absent.yaml"}, folder_), 3, "none.json");
  std::ofstream(folder_ / "broken.safetensors") << "nothing of the kind";
  expect_code(train({"--weights", "broken.safetensors"}), 4, "broken.safetensors");
  expect_code(train({"--set", "optimizer.lr=1e30", "--out", "infinite"}), 6,
              "kestrel train --replay infinite/not_finite_");
  for (const auto& entry : fs::directory_iterator(folder_ / "infinite")) {
    if (!entry.path().filename().string().starts_with("not_finite_")) continue;
    expect_code(resume({"--replay", entry.path().string()}), 6, "the first that is not finite");
  }
  for (const char* program : {KESTREL_CLI, KESTREL_TRAIN_RETINANET}) {
    const Finished help = run({program, "--help"}, folder_);
    EXPECT_EQ(help.code, 0);
    for (const char* text : {"2 usage", "3 data", "4 model file", "5 memory",
                             "6 the loss is not finite", "130 interrupted"}) {
      EXPECT_NE(help.output.find(text), std::string::npos) << text << " in " << help.output;
    }
  }
}

TEST_F(Programs, OutOfMemorySaysWhichBatchWouldFit) {
  const std::string limit = "ulimit -v 900000; exec \"$0\" \"$@\"";
  const Finished result =
      run({"/bin/bash", "-c", limit, KESTREL_CLI, "train", "tiny.yaml", "--threads", "1", "--batch",
           "40", "--set", "data.workers_per_gpu=0", "data.train.pipeline.2.img_scale=[512, 512]"},
          folder_);
  expect_code(result, 5, "MB were asked for; tensors hold ");
  EXPECT_NE(result.errors.find(" images would fit, this one has 40"), std::string::npos)
      << result.errors;
}

TEST_F(Programs, ResumeChecksWhatWasChanged) {
  expect_code(resume({"--resume"}), 2, "there is nothing to resume");
  expect_code(train({"--resume"}), 2, "no runs/tinyN");
  expect_code(resume({}), 2, "a config file is needed");
  expect_code(train({"--override"}), 2, "--override is for --resume");
  expect_code(train({"--max-iters", "7", "--patience", "5", "--seed", "4"}), 0, "");
  expect_code(train({"--out", "runs/tiny1"}), 2, "holds a run already");
  expect_code(resume({"--resume", "--out", "elsewhere"}), 2, "leave --out away");
  const Finished changed = resume(
      {"--resume", "--set", "optimizer.lr=0.5", "runner.max_epochs=2", "--seed", "5", "--ema"});
  expect_code(changed, 2, "--override goes on with the new values");
  for (const char* line : {"optimizer.lr: 0.5, was 0.002", "runner.max_epochs: 2, was 1",
                           "--seed: 5, was 4", "ExpMomentumEMAHook"}) {
    EXPECT_NE(changed.errors.find(line), std::string::npos) << line << " in " << changed.errors;
  }
  const Finished accepted = resume({"--resume", "runs/tiny1", "--set", "optimizer.lr=0.001",
                                    "runner.max_epochs=2", "--ema", "--override"});
  expect_code(accepted, 0, "");
  EXPECT_NE(accepted.output.find("\n  optimizer.lr: 0.001, was 0.002"), std::string::npos)
      << accepted.output;
  EXPECT_NE(accepted.output.find("in epoch 1 after iteration 7"), std::string::npos)
      << accepted.output;
  // Now these are the run's own.
  expect_code(resume({"--resume", "--set", "optimizer.lr=0.001"}), 2, "epochs are done");
}

TEST_F(Programs, TrainRetinanetResumesItsNewestRun) {
  const Finished first = run({KESTREL_TRAIN_RETINANET, "--config", "tiny.yaml", "--epochs", "2",
                              "--batch", "4", "--threads", "1", "--max-iters", "3"},
                             folder_);
  ASSERT_EQ(first.code, 0) << first.errors;
  expect_code(run({KESTREL_TRAIN_RETINANET, "--resume", "--batch", "2"}, folder_), 2,
              "data.samples_per_gpu: 2, was 4");
  const Finished second = run({KESTREL_TRAIN_RETINANET, "--resume", "--threads", "1"}, folder_);
  EXPECT_EQ(second.code, 0) << second.errors;
  EXPECT_NE(second.output.find("continues runs/retinanet1/resume.safetensors in epoch 1 after "
                               "iteration 3"),
            std::string::npos)
      << second.output;
  EXPECT_NE(second.output.find("saving and logging took "), std::string::npos) << second.output;
}

}  // namespace
}  // namespace kestrel::test
