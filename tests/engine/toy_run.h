#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include <kestrel/engine/hooks/checkpoint_hook.h>
#include <kestrel/engine/hooks/csv_logger_hook.h>
#include <kestrel/engine/hooks/ema_hook.h>
#include <kestrel/engine/hooks/eval_hook.h>
#include <kestrel/engine/hooks/lr_updater_hook.h>
#include <kestrel/engine/hooks/optimizer_hook.h>
#include <kestrel/engine/optimizers/adam.h>

#include "toy_task.h"

namespace kestrel {

/// A folder of the test's own, removed at its end.
class ToyRun : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              (std::to_string(::getpid()) + "_kestrel_" + info->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string text_of(const std::string& name) const {
    std::ifstream in(folder_ / name);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }

  std::filesystem::path folder_;
};

/// A whole run with everything that a trainer hooks in; metrics are a made-up series.
struct Training {
  explicit Training(const std::filesystem::path& folder, int64_t epochs = 4,
                    const CheckpointOptions& checkpoints = {.max_keep_ckpts = 2})
      : task(model, 3, 2),
        optimizer({.lr = 0.01}, make_param_groups(model)),
        checkpointer(std::make_shared<Checkpointer>(
            model, optimizer, folder, std::map<std::string, std::string>{{"config", "toy"}})),
        ema(std::make_shared<ExpMomentumEmaHook>(ExpMomentumEmaOptions{.total_iter = 5}, model)),
        runner(task, epochs) {
    std::filesystem::create_directories(folder);
    runner.add_hook(std::make_shared<LrUpdaterHook>(
                        optimizer, build_lr_schedule(Config::parse("{policy: step, step: [2]}"))),
                    Priority::VeryHigh);
    runner.add_hook(
        std::make_shared<OptimizerHook>(optimizer, OptimizerHookOptions{.cumulative_iters = 2}),
        Priority::AboveNormal);
    runner.add_hook(ema);
    runner.add_hook(std::make_shared<CheckpointHook>(checkpointer, checkpoints));
    runner.add_hook(std::make_shared<EvalHook>(
                        [this](Runner& r) -> NamedValues {
                          return {{"ap", scores[static_cast<size_t>(r.epoch())]}, {"ap50", 0.5}};
                        },
                        EvalOptions{}, checkpointer),
                    Priority::Low);
    runner.add_hook(std::make_shared<CsvLoggerHook>(folder / "results.csv"), Priority::VeryLow);
    runner.add_hook(std::make_shared<ResumeHook>(checkpointer, checkpoints), Priority::Lowest);
  }

  std::vector<float> weights() const {
    const auto values = model.weight.data().values<float>();
    return {values.begin(), values.end()};
  }
  std::vector<float> averages() const {
    const auto values = ema->weights()[0].second.values<float>();
    return {values.begin(), values.end()};
  }

  ToyModel model;
  ToyTask task;
  Adam optimizer;
  std::shared_ptr<Checkpointer> checkpointer;
  std::shared_ptr<EmaHook> ema;
  Runner runner;
  std::vector<double> scores = {0.1, 0.4, 0.3, 0.4};
};

/// Stops a run after a number of iterations.
struct StopAfter : Hook {
  explicit StopAfter(int64_t n) : iters(n) {}
  void after_iter(Runner& r) override {
    if (r.iter() + 1 == iters) r.stop();
  }
  int64_t iters;
};

}  // namespace kestrel
