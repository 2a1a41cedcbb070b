#include <kestrel/engine/runner.h>

#include <limits>
#include <sstream>

#include <gtest/gtest.h>

#include <kestrel/engine/hooks/lr_updater_hook.h>
#include <kestrel/engine/hooks/momentum_updater_hook.h>
#include <kestrel/engine/hooks/optimizer_hook.h>
#include <kestrel/engine/optimizers/sgd.h>
#include <kestrel/kernels/log.h>

#include "toy_task.h"

namespace kestrel {
namespace {

struct Recorder : Hook {
  Recorder(std::string n, std::ostringstream& out) : name(std::move(n)), log(out) {}
  void before_run(Runner&) override { log << name << ":before_run "; }
  void before_epoch(Runner& r) override { log << name << ":before_epoch" << r.epoch() << ' '; }
  void before_iter(Runner& r) override { log << name << ":before_iter" << r.iter() << ' '; }
  void after_iter(Runner& r) override { log << name << ":after_iter" << r.inner_iter() << ' '; }
  void after_epoch(Runner& r) override { log << name << ":after_epoch" << r.epoch() << ' '; }
  void after_run(Runner&) override { log << name << ":after_run "; }
  std::string name;
  std::ostringstream& log;
};

TEST(Runner, CallsEveryPointInItsPlace) {
  ToyModel model;
  ToyTask task(model, 2, 1);
  Runner runner(task, 2);
  std::ostringstream log;
  runner.add_hook(std::make_shared<Recorder>("h", log));
  runner.run();
  EXPECT_EQ(
      log.str(),
      "h:before_run h:before_epoch0 h:before_iter0 h:after_iter0 h:before_iter1 h:after_iter1 "
      "h:after_epoch0 h:before_epoch1 h:before_iter2 h:after_iter0 h:before_iter3 "
      "h:after_iter1 h:after_epoch1 h:after_run ");
  EXPECT_EQ(runner.epoch(), 2);
  EXPECT_EQ(runner.iter(), 4);
}

struct Named : Hook {
  Named(char n, std::string& o) : name(n), order(o) {}
  void before_run(Runner&) override { order += name; }
  char name;
  std::string& order;
};

TEST(Runner, OrdersHooksByPriorityThenRegistration) {
  ToyModel model;
  ToyTask task(model, 1, 1);
  Runner runner(task, 0);
  std::string order;
  const std::pair<char, Priority> hooks[] = {
      {'f', Priority::VeryLow}, {'c', Priority::Normal},      {'a', Priority::VeryHigh},
      {'d', Priority::Normal},  {'b', Priority::AboveNormal}, {'g', Priority::Lowest},
      {'e', Priority::Normal},
  };
  for (const auto& [name, priority] : hooks) {
    runner.add_hook(std::make_shared<Named>(name, order), priority);
  }
  runner.run();
  EXPECT_EQ(order, "abcdefg");
}

struct StopAt : Hook {
  explicit StopAt(int64_t i) : iter(i) {}
  void after_iter(Runner& r) override {
    if (r.iter() == iter) r.stop();
  }
  int64_t iter;
};

TEST(Runner, StopsAfterTheCurrentIteration) {
  ToyModel model;
  ToyTask task(model, 3, 1);
  Runner runner(task, 5);
  std::ostringstream log;
  runner.add_hook(std::make_shared<Recorder>("h", log));
  runner.add_hook(std::make_shared<StopAt>(4));
  runner.run();
  EXPECT_EQ(runner.iter(), 5);
  EXPECT_EQ(runner.epoch(), 1);
  EXPECT_EQ(log.str().find("after_epoch1"), std::string::npos);
  EXPECT_NE(log.str().find("after_run"), std::string::npos);
}

TEST(Runner, RefusesNothingToTrainOn) {
  ToyModel model;
  ToyTask task(model, 0, 1);
  EXPECT_THROW(Runner(task, 1).run(), DataError);
  EXPECT_THROW(Runner(task, -1), UsageError);
}

std::vector<float> train(int64_t batches, int64_t batch_size, int64_t cumulative_iters,
                         std::optional<double> max_norm = {}, int64_t epochs = 2) {
  ToyModel model;
  ToyTask task(model, batches, batch_size);
  SGD optimizer({.lr = 0.01, .momentum = 0.9}, make_param_groups(model));
  Runner runner(task, epochs);
  OptimizerHookOptions options{.cumulative_iters = cumulative_iters};
  if (max_norm) options.grad_clip = GradClipOptions{.max_norm = *max_norm};
  runner.add_hook(std::make_shared<OptimizerHook>(optimizer, options), Priority::AboveNormal);
  runner.run();
  const auto values = model.weight.data().values<float>();
  return {values.begin(), values.end()};
}

TEST(OptimizerHook, AccumulationEqualsTheLargeBatch) {
  const auto large = train(3, 8, 1);
  const auto small = train(12, 2, 4);
  // The same sums in another order: float32 rounding of gradients around 10, times the rate.
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(small[i], large[i], 1e-6);
  EXPECT_NE(train(12, 2, 1), large);
}

TEST(OptimizerHook, AccumulationGoesOnOverEpochsAndEndsWithTheRun) {
  // Three epochs of three batches in fours, as mmcv: updates of batches 0 to 3, 4 to 7, and of 8
  // alone.
  constexpr int64_t kLength = 3, kSize = 2;
  ToyModel model;
  SGD optimizer({.lr = 0.01}, make_param_groups(model));
  for (const auto& [first, last] : {std::pair{0, 4}, std::pair{4, 8}, std::pair{8, 9}}) {
    for (int64_t batch = first; batch < last; ++batch) {
      const int64_t begin = batch / kLength * 11 + batch % kLength * kSize;
      model.loss(begin, begin + kSize).backward(Tensor::full({}, 1.0 / (last - first)));
    }
    optimizer.step();
    optimizer.zero_grad();
  }

  ToyModel other;
  ToyTask task(other, kLength, kSize);
  SGD sgd({.lr = 0.01}, make_param_groups(other));
  Runner runner(task, 3);
  runner.add_hook(
      std::make_shared<OptimizerHook>(sgd, OptimizerHookOptions{.cumulative_iters = 4}));
  runner.run();
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(other.weight.data().values<float>()[i], model.weight.data().values<float>()[i],
                1e-6);
  }
}

TEST(OptimizerHook, ReportsTheNormOfTheGradients) {
  const auto norm_of = [](const GradClipOptions& clip) {
    ToyModel model;
    ToyTask task(model, 1, 4);
    SGD optimizer({.lr = 0.01}, make_param_groups(model));
    Runner runner(task, 1);
    runner.add_hook(
        std::make_shared<OptimizerHook>(optimizer, OptimizerHookOptions{.grad_clip = clip}));
    runner.run();
    return runner.grad_norm;
  };
  ToyModel model;
  model.loss(0, 4).backward();
  double square = 0, largest = 0;
  for (const float g : model.weight.grad().values<float>()) {
    square += static_cast<double>(g) * g;
    largest = std::max(largest, static_cast<double>(std::abs(g)));
  }
  EXPECT_NEAR(norm_of({}), std::sqrt(square), 1e-12);
  EXPECT_EQ(norm_of({.norm_type = {std::numeric_limits<double>::infinity()}}), largest);
  EXPECT_NEAR(norm_of({.type = GradClipType::Value, .clip_value = 1e-3}), std::sqrt(square), 1e-12);
}

TEST(OptimizerHook, WarnsOfParametersWithoutAGradient) {
  struct Idle : ToyModel {
    Idle() { add_parameter("idle", Tensor::zeros({2})); }
  };
  Idle model;
  ToyTask task(model, 3, 1);
  SGD optimizer({.lr = 0.01}, make_param_groups(model));
  Runner runner(task, 1);
  runner.add_hook(std::make_shared<OptimizerHook>(
      optimizer, OptimizerHookOptions{.detect_anomalous_params = true}));
  std::vector<std::string> warnings;
  WarningSink before =
      set_warning_sink([&](std::string_view text) { warnings.emplace_back(text); });
  runner.run();
  set_warning_sink(std::move(before));
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("parameter idle"), std::string::npos) << warnings[0];
}

TEST(OptimizerHook, ClipsBeforeTheUpdate) {
  const auto values = train(1, 4, 1, 1e-3, 1);
  const std::vector<float> before = {0.5f, -0.25f, 1.0f};
  double moved = 0;
  for (size_t i = 0; i < 3; ++i) moved += std::pow(values[i] - before[i], 2);
  EXPECT_NEAR(std::sqrt(moved), 0.01 * 1e-3, 1e-7);  // float32 around 1
}

struct BrokenTask : ToyTask {
  using ToyTask::ToyTask;
  StepResult forward() override {
    StepResult result = ToyTask::forward();
    if (begin == 1) result.loss.data().fill(std::numeric_limits<double>::quiet_NaN());
    return result;
  }
};

TEST(OptimizerHook, ALossThatIsNotFiniteStopsBeforeTheWeights) {
  ToyModel model;
  BrokenTask task(model, 3, 1);
  SGD optimizer({.lr = 0.01}, make_param_groups(model));
  Runner runner(task, 1);
  runner.add_hook(std::make_shared<OptimizerHook>(optimizer));
  try {
    runner.run();
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("nan in epoch 1, iteration 2"), std::string::npos)
        << e.what();
    EXPECT_NE(std::string(e.what()).find("loss_toy"), std::string::npos) << e.what();
  }
  for (const float w : model.weight.data().values<float>()) EXPECT_TRUE(std::isfinite(w));
}

TEST(OptimizerHook, NamesBadOptions) {
  ToyModel model;
  SGD optimizer({}, make_param_groups(model));
  EXPECT_THROW(OptimizerHook(optimizer, {.cumulative_iters = 0}), UsageError);
  EXPECT_THROW(OptimizerHook(optimizer, {.grad_clip = GradClipOptions{.norm_type = {0}}}),
               UsageError);
  EXPECT_THROW(OptimizerHook(optimizer, {.type = "Adam"}), UsageError);
}

TEST(MomentumUpdaterHook, SetsTheMomentumOfEveryGroup) {
  ToyModel model;
  ToyTask task(model, 1, 1);
  SGD optimizer({.momentum = 0.8}, make_param_groups(model));
  Runner runner(task, 3);
  std::vector<double> seen;
  struct See : Hook {
    See(Optimizer& o, std::vector<double>& s) : optimizer(o), seen(s) {}
    void after_iter(Runner&) override { seen.push_back(optimizer.groups()[0].momentum); }
    Optimizer& optimizer;
    std::vector<double>& seen;
  };
  runner.add_hook(std::make_shared<See>(optimizer, seen));
  const Config config = Config::parse("{policy: step, step: [1, 2]}");
  runner.add_hook(std::make_shared<MomentumUpdaterHook>(optimizer, build_momentum_schedule(config)),
                  Priority::High);
  runner.run();
  EXPECT_EQ(seen, (std::vector<double>{0.8, 0.4, 0.2}));

  const auto adagrad = build_optimizer(model, Config::parse("{type: Adagrad}"));
  EXPECT_THROW(MomentumUpdaterHook(*adagrad, build_momentum_schedule(config)), UsageError);
}

TEST(LrUpdaterHook, SetsTheRateOfEveryGroup) {
  ToyModel model;
  ToyTask task(model, 2, 1);
  auto groups = make_param_groups(model);
  groups.push_back(groups.front());
  groups.back().params.clear();
  groups.back().initial_lr = 10;
  SGD optimizer({.lr = 1}, groups);
  Runner runner(task, 3);
  std::vector<double> seen;
  struct See : Hook {
    See(Optimizer& o, std::vector<double>& s) : optimizer(o), seen(s) {}
    void after_iter(Runner& r) override {
      EXPECT_EQ(r.lr, optimizer.groups()[0].lr);
      seen.push_back(optimizer.groups()[1].lr);
    }
    Optimizer& optimizer;
    std::vector<double>& seen;
  };
  runner.add_hook(std::make_shared<See>(optimizer, seen));
  runner.add_hook(std::make_shared<LrUpdaterHook>(
                      optimizer, build_lr_schedule(Config::parse("{policy: step, step: [1, 2]}"))),
                  Priority::VeryHigh);
  runner.run();
  const std::vector<double> want = {10, 10, 1, 1, 0.1, 0.1};
  ASSERT_EQ(seen.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(seen[i], want[i], 1e-12);
}

}  // namespace
}  // namespace kestrel
