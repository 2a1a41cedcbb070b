#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include <gtest/gtest.h>

#include <kestrel/engine/hooks/checkpoint_hook.h>
#include <kestrel/engine/hooks/csv_logger_hook.h>
#include <kestrel/engine/hooks/eval_hook.h>
#include <kestrel/engine/hooks/lr_updater_hook.h>
#include <kestrel/engine/hooks/optimizer_hook.h>
#include <kestrel/engine/hooks/text_logger_hook.h>
#include <kestrel/engine/optimizers/sgd.h>
#include <kestrel/tensor/safetensors.h>

#include "toy_run.h"

namespace kestrel {
namespace {

namespace fs = std::filesystem;

TEST_F(ToyRun, FilesOfARun) {
  Training training(folder_);
  training.runner.run();
  training.checkpointer->finish();
  const fs::path weights = folder_ / "weights";
  const Safetensors last = read_safetensors(weights / "last.safetensors");
  EXPECT_EQ(last.metadata.at("epoch"), "4");
  EXPECT_EQ(last.metadata.at("config"), "toy");
  EXPECT_EQ(last.at("weight").values<float>()[0], training.weights()[0]);
  // Strictly better only: the second 0.4 does not replace the first.
  EXPECT_EQ(read_safetensors(weights / "best.safetensors").metadata.at("epoch"), "2");
  EXPECT_EQ(training.runner.state.at("best_epoch"), "2");
  training.checkpointer->save_weights("after.safetensors", training.runner);
  training.checkpointer->finish();
  EXPECT_EQ(read_safetensors(weights / "after.safetensors").metadata.at("epoch"), "4");
  // Two of the numbered files stay.
  EXPECT_FALSE(std::filesystem::exists(weights / "epoch_1.safetensors"));
  EXPECT_FALSE(std::filesystem::exists(weights / "epoch_2.safetensors"));
  EXPECT_TRUE(std::filesystem::exists(weights / "epoch_3.safetensors"));
  EXPECT_TRUE(std::filesystem::exists(weights / "epoch_4.safetensors"));
}

TEST_F(ToyRun, CsvHasEmptyCellsWhereNothingWasEvaluated) {
  ToyModel model;
  ToyTask task(model, 2, 1);
  Runner runner(task, 3);
  runner.add_hook(std::make_shared<EvalHook>(
                      [](Runner&) {
                        return NamedValues{{"ap", 0.25}};
                      },
                      EvalOptions{.interval = 2}),
                  Priority::Low);
  runner.add_hook(std::make_shared<CsvLoggerHook>(folder_ / "results.csv"), Priority::VeryLow);
  runner.run();
  std::istringstream csv(text_of("results.csv"));
  std::vector<std::string> cells;
  for (std::string line; std::getline(csv, line);) {
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, ',');) cells.push_back(cell);
  }
  ASSERT_EQ(cells.size(), 24u);
  EXPECT_EQ(cells[4], "ap");
  EXPECT_EQ(cells[6 + 4], "");
  EXPECT_EQ(cells[12 + 4], "0.25");
  EXPECT_EQ(cells[18 + 4], "0.25");  // The last epoch is always evaluated.
}

TEST(EvalHook, ChoosesTheEpochs) {
  const auto evaluated = [](const EvalOptions& options) {
    ToyModel model;
    ToyTask task(model, 1, 1);
    Runner runner(task, 7);
    std::string epochs;
    runner.add_hook(std::make_shared<EvalHook>(
        [&](Runner& r) {
          epochs += std::to_string(r.epoch() + 1);
          return NamedValues{};
        },
        options));
    runner.run();
    return epochs;
  };
  EXPECT_EQ(evaluated({}), "1234567");
  EXPECT_EQ(evaluated({.interval = 3}), "367");
  EXPECT_EQ(evaluated({.interval = 2, .start = 3}), "357");
  EXPECT_EQ(evaluated({.interval = 10}), "7");
  EXPECT_THROW(EvalHook([](Runner&) { return NamedValues{}; }, {.interval = 0}), UsageError);
}

TEST(EvalHook, KnowsMetricsByMMDetectionsNamesToo) {
  const NamedValues metrics = {{"ap", 1},        {"ap50", 2},           {"ap_s", 3}, {"segm_ap", 4},
                               {"segm_ap75", 5}, {"proposal_ar100", 6}, {"map", 7}};
  const auto value = [&](const char* name) { return find_metric("test", metrics, name).second; };
  EXPECT_EQ(value("auto"), 1);
  EXPECT_EQ(value("bbox_mAP"), 1);
  EXPECT_EQ(value("bbox_mAP_50"), 2);
  EXPECT_EQ(value("bbox_mAP_s"), 3);
  EXPECT_EQ(value("segm_mAP"), 4);
  EXPECT_EQ(value("segm_mAP_75"), 5);
  EXPECT_EQ(value("proposal_AR@100"), 6);
  EXPECT_EQ(value("map"), 7);
  EXPECT_EQ(find_metric("test", {{"map", 7.0}, {"ap50", 8.0}}, "mAP").second, 7);
  EXPECT_EQ(find_metric("test", {{"map", 7.0}, {"ap50", 8.0}}, "AP50").second, 8);
  EXPECT_THROW(value("segm_mAP_50"), UsageError);
}

TEST_F(ToyRun, BestByANamedMetricAndLowerLoss) {
  const auto best_of = [&](const std::string& save_best, const std::vector<double>& values,
                           const std::string& name, const std::string& rule = "") {
    Training training(folder_, static_cast<int64_t>(values.size()));
    Runner runner(training.task, static_cast<int64_t>(values.size()));
    runner.add_hook(std::make_shared<EvalHook>(
        [&](Runner& r) {
          return NamedValues{{"first", 1.0}, {name, values[static_cast<size_t>(r.epoch())]}};
        },
        EvalOptions{.save_best = save_best, .rule = rule}, training.checkpointer));
    runner.run();
    return runner.state["best_epoch"];
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(best_of("ap", {nan, 0.2, nan, 0.3, 0.1}, "ap"), "4");
  EXPECT_EQ(best_of("val_loss", {3, 1, 2}, "val_loss"), "2");
  EXPECT_EQ(best_of("auto", {3, 4, 5}, "ap"), "1");
  EXPECT_EQ(best_of("", {3, 4, 5}, "ap"), "");
  EXPECT_EQ(best_of("bbox_mAP", {0.1, 0.3, 0.2}, "ap"), "2");
  EXPECT_EQ(best_of("misses", {3, 1, 2}, "misses", "less"), "2");
  EXPECT_EQ(best_of("val_loss", {3, 1, 2}, "val_loss", "greater"), "1");
  EXPECT_THROW(best_of("app", {1}, "ap"), UsageError);
  EXPECT_THROW(best_of("ap", {1}, "ap", "best"), UsageError);
}

std::vector<std::string> log_lines(int64_t batches, int64_t interval, bool terminal,
                                   std::vector<std::string>* progress = nullptr) {
  ToyModel model;
  ToyTask task(model, batches, 2);
  Runner runner(task, 2);
  runner.lr = 0.01;
  std::vector<std::string> lines;
  LogSink sink{.line = [&](std::string_view text) { lines.emplace_back(text); }, .progress = {}};
  if (terminal) sink.progress = [&](std::string_view text) { progress->emplace_back(text); };
  runner.add_hook(std::make_shared<EvalHook>([](Runner&) {
                    return NamedValues{{"ap", 0.5}};
                  }),
                  Priority::Low);
  runner.add_hook(std::make_shared<TextLoggerHook>(sink, TextLoggerOptions{.interval = interval}),
                  Priority::VeryLow);
  runner.run();
  return lines;
}

TEST(TextLogger, ALineEveryInterval) {
  const auto lines = log_lines(5, 2, false);
  ASSERT_EQ(lines.size(), 8u);
  EXPECT_EQ(lines[0].rfind("Epoch [1/2][2/5] lr: 1.000e-02, ", 0), 0u) << lines[0];
  for (const char* part : {" img/s, ", "eta: ", "data: ", "memory: ", "loss_toy: ", "loss: "}) {
    EXPECT_NE(lines[0].find(part), std::string::npos) << part;
  }
  EXPECT_EQ(lines[2].rfind("Epoch [1/2][5/5]", 0), 0u);
  EXPECT_EQ(lines[3], "Epoch [1/2] ap: 0.5000");
  EXPECT_EQ(lines[6].rfind("Epoch [2/2][5/5]", 0), 0u);
  EXPECT_NE(lines[6].find("eta: 0:00:00"), std::string::npos);
}

TEST(TextLogger, ALittleRestBelongsToTheLineBefore) {
  const auto lines = log_lines(9, 4, false);
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_EQ(lines[0].rfind("Epoch [1/2][4/9]", 0), 0u) << lines[0];
  EXPECT_EQ(lines[1].rfind("Epoch [1/2][9/9]", 0), 0u) << lines[1];
}

TEST(TextLogger, OneProgressLineOnATerminal) {
  std::vector<std::string> progress;
  const auto lines = log_lines(5, 2, true, &progress);
  ASSERT_EQ(lines.size(), 4u);  // Per epoch: the end of training, the metrics.
  ASSERT_FALSE(progress.empty());
  EXPECT_EQ(progress.back(), "");  // The line is cleared at the end.
}

TEST(TextLogger, WritesDurations) {
  EXPECT_EQ(duration_text(0), "0:00:00");
  EXPECT_EQ(duration_text(59.6), "0:01:00");
  EXPECT_EQ(duration_text(3723), "1:02:03");
  EXPECT_EQ(duration_text(86400 + 61), "1 day, 0:01:01");
  EXPECT_EQ(duration_text(2 * 86400), "2 days, 0:00:00");
  EXPECT_EQ(duration_text(std::numeric_limits<double>::quiet_NaN()), "?");
  EXPECT_EQ(duration_text(std::numeric_limits<double>::infinity()), "?");
  EXPECT_GT(resident_megabytes(), 0);
}

TEST(MeanLosses, WeighsBySamples) {
  MeanLosses average;
  const auto result = [](double value, int64_t samples) {
    const Variable v(Tensor::full({}, value));
    return StepResult{.loss = v, .losses = {{"loss_a", v}}, .num_samples = samples};
  };
  EXPECT_TRUE(average.means().empty());
  average.add(result(1, 1));
  average.add(result(4, 2));
  const NamedValues want = {{"loss_a", 3.0}, {"loss", 3.0}};
  EXPECT_EQ(average.means(), want);
}

}  // namespace
}  // namespace kestrel
