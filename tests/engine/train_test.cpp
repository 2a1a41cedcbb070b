#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <kestrel/engine/train.h>
#include <kestrel/inference/detector.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/parallel.h>

#include "tiny_retinanet.h"

namespace kestrel {
namespace {

namespace fs = std::filesystem;

/// A folder of the test's own, removed at its end.
class TrainTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        fs::temp_directory_path() / (std::string("kestrel_train_") +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
};

TEST_F(TrainTest, SameSeedGivesSameWeightsForAnyNumberOfLoaderThreads) {
  std::vector<std::string> hashes;
  for (const char* workers : {"0", "1", "2", "8", "2"}) {
    Config config = tiny_config();
    config.apply_override(std::string("data.workers_per_gpu=") + workers);
    hashes.push_back(train_detector(config, {.out = folder_ / workers, .seed = 7}).weights_hash);
  }
  for (const std::string& hash : hashes) EXPECT_EQ(hash, hashes[0]);

  const std::string other =
      train_detector(tiny_config(), {.out = folder_ / "other", .seed = 8}).weights_hash;
  EXPECT_NE(other, hashes[0]) << "another seed has to give other weights";
}

TEST_F(TrainTest, SameWeightsForAnyNumberOfComputeThreads) {
  Config config = tiny_config();
  config.apply_override("runner.max_epochs=1");
  const int before = num_threads();
  std::vector<std::string> hashes;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    hashes.push_back(train_detector(config, {.out = folder_, .seed = 7}).weights_hash);
  }
  set_num_threads(before);
  EXPECT_EQ(hashes[1], hashes[0]);
  EXPECT_EQ(hashes[2], hashes[0]);
}

TEST_F(TrainTest, ResumedRunEndsWithTheSameWeights) {
  const std::string whole = train_detector(tiny_config(), {.out = folder_ / "whole"}).weights_hash;
  // Stopped within the third of five epochs; what it had of that one is done again.
  train_detector(tiny_config(), {.out = folder_ / "part", .max_iters = 50});
  Config config = tiny_config();
  config.set("resume_from", (folder_ / "part/resume.safetensors").string());
  EXPECT_EQ(train_detector(config, {.out = folder_ / "part"}).weights_hash, whole);
}

TEST_F(TrainTest, StartsFromTheConfigsWeights) {
  Config config = tiny_config();
  config.apply_override("runner.max_epochs=1");
  const auto first = train_detector(config, {.out = folder_ / "first", .seed = 1});
  config.set("load_from", first.last.string());
  config.apply_override("optimizer.lr=0.0");
  config.apply_override("model.backbone.norm_eval=true");
  EXPECT_EQ(train_detector(config, {.out = folder_ / "second", .seed = 2}).weights_hash,
            first.weights_hash);
}

TEST_F(TrainTest, WhatARunCannotDoIsRefused) {
  for (const char* assignment :
       {"custom_hooks=[{type: EMAHook}]", "log_config.hooks=[{type: TensorboardLoggerHook}]",
        "runner.type=IterBasedRunner", "load_from=no_such_file.safetensors",
        "resume_from=no_such_file.safetensors"}) {
    Config config = tiny_config();
    config.apply_override(assignment);
    EXPECT_THROW(train_detector(config, {.out = folder_}), Error) << assignment;
  }
}

TEST_F(TrainTest, LeavesWhatAPersonLooksFor) {
  const TrainSummary summary = train_detector(tiny_config(), {.out = folder_, .seed = 1});
  for (const char* name : {"config.yaml", "results.csv", "last.safetensors", "best.safetensors",
                           "val_labels.jpg", "val_pred.jpg"}) {
    EXPECT_TRUE(fs::exists(folder_ / name)) << name;
  }
  std::ifstream csv(folder_ / "results.csv");
  std::string header;
  std::getline(csv, header);
  for (const char* column : {"epoch", "lr", "loss", "ap", "ap50"}) {
    EXPECT_NE(header.find(column), std::string::npos) << header;
  }
  Detector detector = Detector::load(summary.last);
  EXPECT_EQ(detector.classes().size(), 6U);
  EXPECT_NO_THROW(detector.detect(Image(48, 64)));
}

TEST_F(TrainTest, OverfitsOneBatch) {
  Config config = tiny_config();
  config.apply_override("runner.max_epochs=10");
  config.apply_override("evaluation.interval=10");
  std::vector<std::string> lines;
  TrainOptions options{.out = folder_, .seed = 1, .overfit_batch = true};
  options.log.line = [&](std::string_view text) { lines.emplace_back(text); };
  train_detector(config, options);
  const auto loss_of = [](const std::string& line) {
    return std::stod(line.substr(line.rfind("loss: ") + 6));
  };
  std::vector<double> losses;
  for (const std::string& line : lines) {
    if (line.find(", loss: ") != std::string::npos) losses.push_back(loss_of(line));
  }
  ASSERT_GE(losses.size(), 10U);
  EXPECT_LT(losses.back(), 0.35 * losses.front());
}

TEST_F(TrainTest, MemoryStaysFlatOverTwoHundredSteps) {
  Config config = tiny_config();
  config.apply_override("runner.max_epochs=10");  // of 20 steps each
  config.apply_override("evaluation.interval=10");
  config.apply_override("log_config.interval=10");
  std::vector<int64_t> megabytes;
  TrainOptions options{.out = folder_, .seed = 1};
  options.log.line = [&](std::string_view text) {
    const size_t at = text.find("memory: ");
    if (at != std::string_view::npos) {
      megabytes.push_back(std::stoll(std::string(text.substr(at + 8))));
    }
  };
  train_detector(config, options);
  ASSERT_EQ(megabytes.size(), 20U);
  // The first line comes after ten steps. Images in flight differ by a megabyte or so.
  EXPECT_LE(megabytes.back(), megabytes.front() + 4);
}

TEST_F(TrainTest, BFloat16TrainsToo) {
  Config config = tiny_config();
  config.apply_override("runner.max_epochs=1");
  EXPECT_NO_THROW(train_detector(config, {.out = folder_, .amp = true, .max_iters = 5}));
}

TEST_F(TrainTest, WrongNumberOfClassesIsNamed) {
  Config config = tiny_config();
  config.apply_override("model.bbox_head.num_classes=80");
  try {
    train_detector(config, {.out = folder_});
    FAIL() << "80 classes for a data set of 6 were accepted";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("num_classes"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("6 classes"), std::string::npos) << error.what();
  }
}

TEST_F(TrainTest, UnknownKeyIsRefusedWithTheNearestName) {
  Config config = tiny_config();
  config.apply_override("optimiser={type: SGD, lr: 1}");
  try {
    train_detector(config, {.out = folder_});
    FAIL() << "an unknown key was accepted";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean 'optimizer'"), std::string::npos)
        << error.what();
  }
}

TEST_F(TrainTest, WeightsThatDoNotFitAreRefused) {
  Config config = tiny_config();
  config.apply_override("runner.max_epochs=1");
  const auto weights = train_detector(config, {.out = folder_ / "a", .max_iters = 1}).last;
  config.apply_override("model.neck.out_channels=32");
  config.apply_override("model.bbox_head.in_channels=32");
  try {
    train_detector(config, {.out = folder_ / "b", .weights = weights});
    FAIL() << "weights of another model were accepted";
  } catch (const ModelFileError& error) {
    EXPECT_NE(std::string(error.what()).find("neck.lateral_convs.0.conv.weight"), std::string::npos)
        << error.what();
  }
}

TEST_F(TrainTest, PretrainedWeightsThatAreAbsentAreExplained) {
  Config config = tiny_config();
  config.apply_override(
      "model.backbone.init_cfg={type: Pretrained, checkpoint: 'torchvision://resnet999'}");
  EXPECT_THROW(train_detector(config, {.out = folder_}), UsageError);
}

}  // namespace
}  // namespace kestrel
