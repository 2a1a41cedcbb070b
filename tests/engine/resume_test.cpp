#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <kestrel/engine/checkpoints/resume.h>
#include <kestrel/engine/records/run_folder.h>
#include <kestrel/kernels/log.h>
#include <kestrel/tensor/safetensors.h>

#include "toy_run.h"

namespace kestrel {
namespace {

namespace fs = std::filesystem;

/// Collects warnings while it lives.
class Warnings {
 public:
  Warnings()
      : before_(set_warning_sink([this](std::string_view t) {
          text += t;
          any = true;
        })) {}
  ~Warnings() { set_warning_sink(before_); }
  Warnings(const Warnings&) = delete;
  Warnings& operator=(const Warnings&) = delete;
  std::string text;
  std::atomic<bool> any = false;

 private:
  WarningSink before_;
};

void damage(const fs::path& file) {
  fs::resize_file(file, fs::file_size(file) / 2);
}

/// results.csv without the times that its last column has.
std::string without_seconds(const std::string& csv) {
  std::istringstream in(csv);
  std::string result;
  for (std::string line; std::getline(in, line);) result += line.substr(0, line.rfind(',')) + '\n';
  return result;
}

TEST_F(ToyRun, ResumesBitExactlyAfterAnyIteration) {
  Training whole(folder_ / "whole");
  whole.runner.run();
  // Iterations 3, 6, ... end an epoch; every second one ends an update.
  for (int64_t stop = 1; stop <= 12; ++stop) {
    const std::string name = "stop" + std::to_string(stop);
    {
      Training first(folder_ / name);
      first.runner.add_hook(std::make_shared<StopAfter>(stop));
      first.runner.run();
      EXPECT_EQ(first.runner.iter(), stop);
    }
    Training second(folder_ / name);
    second.checkpointer->resume(folder_ / name / "resume.safetensors", second.runner);
    EXPECT_EQ(second.runner.iter(), stop);
    second.runner.run();
    EXPECT_EQ(second.weights(), whole.weights()) << stop;
    EXPECT_EQ(second.averages(), whole.averages()) << stop;
    EXPECT_EQ(second.runner.state, whole.runner.state) << stop;
    EXPECT_EQ(second.runner.lr, whole.runner.lr) << stop;
    EXPECT_EQ(without_seconds(text_of(name + "/results.csv")),
              without_seconds(text_of("whole/results.csv")))
        << stop;
  }
}

TEST_F(ToyRun, AnEpochThatIsLeftOpenIsFinishedOnResume) {
  Training whole(folder_ / "whole");
  whole.runner.run();
  const fs::path folder = folder_ / "open";
  struct Leave : Hook {
    void after_epoch(Runner& r) override {
      if (r.epoch() == 1) r.leave_epoch_open();
    }
  };
  {
    Training first(folder);
    first.runner.add_hook(std::make_shared<Leave>(), Priority::BelowNormal);
    first.runner.run();
    EXPECT_EQ(first.runner.resume_point(), (Position{.epoch = 1, .inner_iter = 3}));
    EXPECT_FALSE(first.runner.state.contains("best_epoch") &&
                 first.runner.state.at("best_epoch") == "2")
        << "the evaluation of the second epoch was left out";
  }
  Training second(folder);
  second.checkpointer->resume(folder / "resume.safetensors", second.runner);
  second.runner.run();
  EXPECT_EQ(second.weights(), whole.weights());
  EXPECT_EQ(second.runner.state, whole.runner.state);
  EXPECT_EQ(without_seconds(text_of("open/results.csv")),
            without_seconds(text_of("whole/results.csv")));
}

TEST_F(ToyRun, SavesEveryFewIterations) {
  Training training(folder_, 4, {.interval = 5, .by_epoch = false, .max_keep_ckpts = -1});
  training.runner.run();
  training.checkpointer->finish();
  for (const char* name : {"iter_5", "iter_10", "epoch_4", "last", "best"}) {
    EXPECT_TRUE(fs::exists(folder_ / "weights" / (std::string(name) + ".safetensors"))) << name;
  }
  EXPECT_FALSE(fs::exists(folder_ / "weights/epoch_3.safetensors"));
  EXPECT_EQ(read_safetensors(folder_ / "weights/iter_5.safetensors").metadata.at("iter"), "5");
}

TEST_F(ToyRun, SavesWhenTheTimeIsUp) {
  // A resume file every 60 nanoseconds or so: after every iteration.
  Training training(folder_, 1, {.interval = 0, .resume_minutes = 1e-9});
  std::vector<bool> there;
  struct Look : Hook {
    Look(Checkpointer& c, std::vector<bool>& t) : checkpointer(c), there(t) {}
    void after_iter(Runner&) override {
      checkpointer.finish();
      there.push_back(fs::exists(resume_file(checkpointer.folder())));
    }
    Checkpointer& checkpointer;
    std::vector<bool>& there;
  };
  training.runner.add_hook(std::make_shared<Look>(*training.checkpointer, there), Priority::Lowest);
  training.runner.run();
  EXPECT_EQ(there, std::vector<bool>({true, true, true}));
}

TEST_F(ToyRun, ResumeNamesWhatDoesNotFit) {
  Training training(folder_);
  training.runner.run();
  training.checkpointer->finish();
  EXPECT_THROW(training.checkpointer->resume(folder_ / "weights/last.safetensors", training.runner),
               ModelFileError);
  EXPECT_THROW(training.checkpointer->resume(folder_ / "none.safetensors", training.runner),
               ModelFileError);

  // Another number of iterations per epoch matters within an epoch only.
  const fs::path folder = folder_ / "stopped";
  {
    Training stopped(folder);
    stopped.runner.add_hook(std::make_shared<StopAfter>(5));
    stopped.runner.run();
  }
  Training other(folder);
  other.task.length = 6;
  Runner runner(other.task, 4);
  EXPECT_THROW(other.checkpointer->resume(folder / "resume.safetensors", runner), ModelFileError);
  other.checkpointer->resume(folder / "resume.safetensors", runner, true);
  EXPECT_EQ(runner.resume_point(), (Position{.epoch = 1, .inner_iter = 4}));
}

TEST_F(ToyRun, FallsBackToTheSaveBefore) {
  Training training(folder_);
  struct Wait : Hook {
    explicit Wait(Checkpointer& c) : checkpointer(c) {}
    void after_epoch(Runner&) override { checkpointer.finish(); }
    Checkpointer& checkpointer;
  };
  // Else a save that still waits would give way to the next one.
  training.runner.add_hook(std::make_shared<Wait>(*training.checkpointer), Priority::Lowest);
  training.runner.run();
  const fs::path newest = folder_ / "resume.safetensors";
  const fs::path previous = folder_ / "resume.previous.safetensors";
  EXPECT_EQ(read_safetensors(newest).metadata.at("epoch"), "4");
  EXPECT_EQ(read_safetensors(previous).metadata.at("epoch"), "3");

  damage(newest);
  {
    const Warnings warnings;
    Training second(folder_);
    second.checkpointer->resume(newest, second.runner);
    EXPECT_EQ(second.runner.epoch(), 3);
    EXPECT_NE(warnings.text.find("resume.previous.safetensors"), std::string::npos)
        << warnings.text;
    // The damaged file is replaced; it does not push out the one that was good.
    second.runner.run();
    second.checkpointer->finish();
    EXPECT_EQ(read_safetensors(newest).metadata.at("epoch"), "4");
    EXPECT_EQ(read_safetensors(previous).metadata.at("epoch"), "3");
  }
  fs::remove(newest);
  EXPECT_EQ(read_resume_file(newest).metadata.at("epoch"), "3");
  damage(previous);
  EXPECT_THROW(read_resume_file(newest), ModelFileError);
}

TEST_F(ToyRun, ASaveThatFailsIsAWarningAndIsTriedAgain) {
  const Warnings warnings;
  Training training(folder_);
  {
    std::ofstream in_the_way(folder_ / "weights");  // where the folder should be
  }
  training.runner.run();
  EXPECT_EQ(training.runner.epoch(), 4);
  EXPECT_THROW(training.checkpointer->finish(), ModelFileError);
  EXPECT_NE(warnings.text.find("weights"), std::string::npos) << warnings.text;
  EXPECT_NE(warnings.text.find("training goes on"), std::string::npos) << warnings.text;
  EXPECT_EQ(read_safetensors(folder_ / "resume.safetensors").metadata.at("epoch"), "4");

  // finish() gave those up; what comes later is written once there is room.
  fs::remove(folder_ / "weights");
  training.checkpointer->save_weights("last.safetensors", training.runner);
  training.checkpointer->finish();
  EXPECT_TRUE(fs::exists(folder_ / "weights/last.safetensors"));
}

TEST_F(ToyRun, AFailedSaveIsMadeUpForByTheNextOne) {
  const Warnings warnings;
  Training training(folder_);
  const fs::path in_the_way = folder_ / "weights";
  std::ofstream(in_the_way).close();
  training.checkpointer->save_weights("best.safetensors", training.runner);
  while (!warnings.any) std::this_thread::yield();
  fs::remove(in_the_way);
  training.checkpointer->save_weights("last.safetensors", training.runner);
  training.checkpointer->finish();
  EXPECT_TRUE(fs::exists(folder_ / "weights/best.safetensors"));
}

TEST_F(ToyRun, WhatIsSavedIsWhatWasThereAtThatTime) {
  Training training(folder_);
  const float before = training.weights()[0];
  training.checkpointer->save_resume(training.runner);
  training.model.weight.data().fill(-7);  // while the writer is at it
  training.checkpointer->finish();
  EXPECT_EQ(read_safetensors(folder_ / "resume.safetensors").at("model.weight").values<float>()[0],
            before);
}

TEST_F(ToyRun, ARecordThatCannotBeKeptDoesNotEndTheRun) {
  const Warnings warnings;
  struct Broken : Hook {
    void after_epoch(Runner&) override { fail<DataError>("no room for the picture"); }
  };
  struct BrokenUpdate : Broken {
    bool trains() const override { return true; }
  };
  Training training(folder_);
  training.runner.add_hook(std::make_shared<Broken>());
  training.runner.run();
  EXPECT_EQ(training.runner.epoch(), 4);
  EXPECT_NE(warnings.text.find("Broken: no room for the picture"), std::string::npos)
      << warnings.text;
  Training other(folder_);
  other.runner.add_hook(std::make_shared<BrokenUpdate>());
  EXPECT_THROW(other.runner.run(), DataError);
}

TEST_F(ToyRun, TellsWhatHooksCost) {
  Training training(folder_);
  struct Slow : Hook {
    void after_epoch(Runner&) override {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  };
  training.runner.add_hook(std::make_shared<Slow>());
  training.runner.run();
  bool found = false;
  for (const HookCost& cost : training.runner.costs()) {
    EXPECT_EQ(cost.trains, cost.name == "LrUpdaterHook" || cost.name == "OptimizerHook" ||
                               cost.name == "EvalHook" || cost.name == "ExpMomentumEmaHook")
        << cost.name;
    if (cost.name != "Slow") continue;
    found = true;
    EXPECT_GE(cost.seconds, 0.02);
    EXPECT_LE(cost.seconds, training.runner.run_seconds());
  }
  EXPECT_TRUE(found);
}

TEST(ConfigChanges, AreListedWithBothValues) {
  const Config before = Config::parse("{lr: 0.1, a: {b: [1, 2], c: x}, gone: 1}");
  const Config after = Config::parse("{a: {c: x, b: [1, 3]}, lr: 0.1, come: {d: 2}}");
  EXPECT_EQ(to_text(config_changes(before, after)),
            "\n  a.b.1: 3, was 2\n  gone: nothing, was 1\n  come: {\"d\": 2}, was nothing");
  EXPECT_TRUE(config_changes(before, Config::parse(before.to_yaml())).empty());
}

TEST_F(ToyRun, NothingToResumeIsSaid) {
  const auto error = [&](const fs::path& folder) -> std::string {
    try {
      open_stored_run(folder);
    } catch (const UsageError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(error(folder_).find("nothing to resume"), std::string::npos);
  EXPECT_NE(error(folder_ / "absent").find("nor is there such a folder"), std::string::npos);
  Training training(folder_);
  training.runner.run();
  training.checkpointer->finish();
  write_run_settings(folder_, Config::parse("{a: 1}"), {.seed = 7, .amp = true});
  const StoredRun stored = open_stored_run(folder_);
  EXPECT_EQ(stored.config, Config::parse("{a: 1}"));
  EXPECT_EQ(stored.arguments.seed, 7u);
  EXPECT_TRUE(stored.arguments.amp);
}

TEST_F(ToyRun, NewestRunIsTheHighestNumber) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  EXPECT_EQ(newest_run_folder("toy"), "");
  for (const char* name : {"toy1", "toy2", "toy10", "toys11", "toyx", "other99"}) {
    fs::create_directories(fs::path("runs") / name);
  }
  std::ofstream("runs/toy12").close();  // no folder
  EXPECT_EQ(newest_run_folder("toy"), "runs/toy10");
  EXPECT_EQ(newest_run_folder(""), "") << "none of them can be resumed";
  std::ofstream("runs/toy2/resume.safetensors").close();
  EXPECT_EQ(newest_run_folder(""), "runs/toy2");
  EXPECT_EQ(RunFolder::make_next("toy").path(), "runs/toy3");
  fs::current_path(before);
}

}  // namespace
}  // namespace kestrel
