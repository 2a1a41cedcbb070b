#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include <kestrel/engine/hooks/early_stopping_hook.h>
#include <kestrel/engine/hooks/ema_hook.h>
#include <kestrel/engine/hooks/eval_hook.h>
#include <kestrel/engine/hooks/optimizer_hook.h>
#include <kestrel/engine/optimizers/sgd.h>
#include <kestrel/registry/registry.h>

#include "golden_params.h"
#include "toy_task.h"

namespace kestrel {
namespace {

/// The model of tests/golden/optimizers.py: one parameter, a buffer of floats and one of integers.
struct AveragedModel : Module {
  AveragedModel()
      : weight(add_parameter("weight", row(numbers.initial[1]))),
        running_mean(add_buffer("running_mean", row(numbers.initial[0]).slice(0, 3))) {
    add_buffer("num_batches_tracked", Tensor::zeros({}, DType::Int64));
  }
  static Tensor row(const std::vector<double>& values) {
    return Tensor::from(values, {static_cast<int64_t>(values.size())}).to(DType::Float32);
  }

  test::GoldenNumbers numbers;
  Variable& weight;
  Tensor& running_mean;
};

/// Sets weight and running mean to the step's gradients.
struct SetValues : Hook {
  explicit SetValues(AveragedModel& m) : model(m) {}
  void before_iter(Runner& runner) override {
    const auto& grads = model.numbers.grads[static_cast<size_t>(runner.iter())];
    if (!grads[1].empty()) model.weight.data().copy_from(AveragedModel::row(grads[1]));
    model.running_mean.copy_from(AveragedModel::row(grads[0]).slice(0, 3));
  }
  AveragedModel& model;
};

/// Compares at the steps that the golden file shows.
struct CompareAverages : Hook {
  CompareAverages(const EmaHook& h, const nlohmann::json& t) : hook(h), test(t) {}
  void after_iter(Runner& runner) override {
    const auto& steps = test::golden_optimizers()["steps"];
    if (next == steps.size() || runner.iter() + 1 != steps[next].get<int64_t>()) return;
    const StateDict got = hook.weights();
    for (size_t i = 0; i < 2; ++i) {
      const auto want = test["float32"][next][i].get<std::vector<float>>();
      ASSERT_EQ(got[i].second.numel(), static_cast<int64_t>(want.size()));
      for (size_t k = 0; k < want.size(); ++k) {
        // Averages of values up to 1.
        EXPECT_NEAR(got[i].second.values<float>()[k], want[k], 1e-6) << test["config"];
      }
    }
    ++next;
  }
  const EmaHook& hook;
  const nlohmann::json& test;
  size_t next = 0;
};

TEST(Ema, FollowsMmcvsAndMMDetectionsHooks) {
  for (const nlohmann::json& test : test::golden_optimizers()["averages"]) {
    AveragedModel model;
    ToyModel toy;
    ToyTask task(toy, 50, 1);
    Runner runner(task, 4);
    const std::shared_ptr<Hook> hook =
        build<Hook, Module&>(Config::parse(test["config"].dump()), model);
    const auto compare = std::make_shared<CompareAverages>(dynamic_cast<EmaHook&>(*hook), test);
    runner.add_hook(std::make_shared<SetValues>(model));
    runner.add_hook(hook);
    runner.add_hook(compare);
    runner.run();
    EXPECT_EQ(compare->next, 3u);
  }
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
        "{type: LinearMomentumEMAHook, warm_up: 0}", "{type: EMAHook, warm_up: 0}",
        "{type: LinearMomentumEMAHook, interval: 0}", "{type: EarlyStoppingHook, patience: 0}"}) {
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
