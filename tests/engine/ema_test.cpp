#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include <kestrel/engine/hooks/early_stopping_hook.h>
#include <kestrel/engine/hooks/ema_hook.h>
#include <kestrel/engine/hooks/eval_hook.h>
#include <kestrel/engine/hooks/optimizer_hook.h>
#include <kestrel/engine/optimizers/sgd.h>
#include <kestrel/registry/registry.h>

#include "toy_task.h"

namespace kestrel {
namespace {

/// Notes the weights after every update.
struct Note : Hook {
  Note(ToyModel& m, std::vector<std::vector<float>>& s) : model(m), seen(s) {}
  void after_iter(Runner&) override {
    const auto values = model.weight.data().values<float>();
    seen.emplace_back(values.begin(), values.end());
  }
  ToyModel& model;
  std::vector<std::vector<float>>& seen;
};

/// The average that a hook has after 20 iterations, and what the formula gives, in double.
template <class MomentumOf>
void expect_average(const char* config, int64_t interval, MomentumOf momentum_of) {
  ToyModel model;
  ToyTask task(model, 4, 2);
  SGD optimizer({.lr = 0.01}, make_param_groups(model));
  Runner runner(task, 5);
  std::vector<std::vector<float>> seen;
  const auto initial = model.weight.data().clone();
  std::shared_ptr<Hook> hook = build<Hook, Module&>(Config::parse(config), model);
  runner.add_hook(std::make_shared<OptimizerHook>(optimizer), Priority::AboveNormal);
  runner.add_hook(std::make_shared<Note>(model, seen));
  runner.add_hook(hook);
  runner.run();
  for (size_t k = 0; k < 3; ++k) {
    double average = initial.values<float>()[k];
    for (size_t i = 0; i < seen.size(); ++i) {
      if ((static_cast<int64_t>(i) + 1) % interval != 0) continue;
      const double m = momentum_of(static_cast<double>(i));
      average = (1 - m) * average + m * static_cast<double>(seen[i][k]);
    }
    const auto got = dynamic_cast<EmaHook&>(*hook).weights()[0].second.values<float>()[k];
    EXPECT_NEAR(static_cast<double>(got), average, 1e-5 * (1 + std::abs(average)))
        << config;  // twenty roundings of float32
  }
}

TEST(Ema, FollowsMMDetectionsFormulas) {
  expect_average("{type: ExpMomentumEMAHook, momentum: 0.01, total_iter: 8}", 1,
                 [](double i) { return (1 - 0.01) * std::exp(-(1 + i) / 8) + 0.01; });
  expect_average("{type: ExpMomentumEMAHook, momentum: 0.1, total_iter: 8, interval: 3}", 3,
                 [](double i) { return (1 - 1e-3) * std::exp(-(1 + i) / 8) + 1e-3; });
  expect_average("{type: LinearMomentumEMAHook, momentum: 0.3, warm_up: 10}", 1,
                 [](double i) { return std::min(0.3, (1 + i) / (10 + i)); });
}

TEST(Ema, SwapsAndSwapsBack) {
  ToyModel model;
  LinearMomentumEmaHook hook({.common = {.momentum = 0.5}}, model);
  const auto value = [&] { return model.weight.data().values<float>()[0]; };
  const float before = value();
  model.weight.data().fill(9);
  {
    const EmaHook::Swap swap(hook);
    EXPECT_EQ(value(), before);
    EXPECT_EQ(hook.weights()[0].second.values<float>()[0], 9);
  }
  EXPECT_EQ(value(), 9);
}

TEST(Ema, NamesBadOptions) {
  ToyModel model;
  for (const char* config :
       {"{type: ExpMomentumEMAHook, momentum: 1}", "{type: ExpMomentumEMAHook, total_iter: 0}",
        "{type: LinearMomentumEMAHook, warm_up: 0}", "{type: LinearMomentumEMAHook, interval: 0}",
        "{type: EarlyStoppingHook, patience: 0}"}) {
    EXPECT_THROW((build<Hook, Module&>(Config::parse(config), model)), UsageError) << config;
  }
}

/// Epochs that a run with these metrics does.
int64_t epochs_done(const std::vector<double>& scores, const EarlyStoppingOptions& options,
                    const std::string& metric = "ap") {
  ToyModel model;
  ToyTask task(model, 1, 1);
  Runner runner(task, static_cast<int64_t>(scores.size()));
  runner.add_hook(std::make_shared<EvalHook>([&](Runner& r) {
                    return NamedValues{{metric, scores[static_cast<size_t>(r.epoch())]}};
                  }),
                  Priority::Low);
  runner.add_hook(std::make_shared<EarlyStoppingHook>(options, model), Priority::VeryLow);
  runner.run();
  return runner.epoch();
}

TEST(EarlyStopping, EndsTheRun) {
  EXPECT_EQ(epochs_done({0.1, 0.2, 0.2, 0.1, 0.3, 0.3}, {.patience = 2}), 4);
  EXPECT_EQ(epochs_done({0.1, 0.2, 0.2, 0.3, 0.3, 0.3}, {.patience = 2}), 6);
  EXPECT_EQ(epochs_done({0.1, 0.11, 0.12, 0.3}, {.patience = 2, .min_delta = 0.05}), 3);
  EXPECT_EQ(epochs_done({3, 2, 1, 1, 0, 0}, {.patience = 2}, "val_loss"), 6);
  EXPECT_EQ(epochs_done({std::nan(""), 0.1, 0.2}, {.patience = 2}), 3);
  EXPECT_THROW(epochs_done({1}, {.monitor = "ap50"}), UsageError);
}

}  // namespace
}  // namespace kestrel
