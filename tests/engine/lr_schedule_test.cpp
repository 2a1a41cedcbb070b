#include <kestrel/engine/schedules/lr_schedule.h>
#include <kestrel/engine/schedules/momentum_schedule.h>

#include <algorithm>
#include <fstream>
#include <functional>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace kestrel {
namespace {

using nlohmann::json;

const json& golden_schedules() {
  static const auto file =
      json::parse(std::ifstream(std::string(KESTREL_TEST_DIR) + "/golden/data/schedules.json"));
  return file;
}

/// A row of the golden file: values, or [value, how often].
std::vector<double> expanded(const json& row) {
  std::vector<double> values;
  for (const json& item : row) {
    if (item.is_array()) {
      values.insert(values.end(), item[1].get<size_t>(), item[0].get<double>());
    } else {
      values.push_back(item.get<double>());
    }
  }
  return values;
}

/// Compares what value(progress, group) gives in a whole run of two groups.
void expect_golden(const json& test, const std::function<double(const Progress&, size_t)>& value) {
  const auto epochs = golden_schedules()["epochs"].get<int64_t>();
  const auto length = golden_schedules()["length"].get<int64_t>();
  for (size_t group = 0; group < 2; ++group) {
    const auto want = expanded(test["groups"][std::min(group, test["groups"].size() - 1)]);
    ASSERT_EQ(want.size(), static_cast<size_t>(epochs * length));
    for (int64_t iter = 0; iter < epochs * length; ++iter) {
      const double expected = want[static_cast<size_t>(iter)];
      const double got = value({.epoch = iter / length,
                                .iter = iter,
                                .max_epochs = epochs,
                                .max_iters = epochs * length,
                                .epoch_length = length},
                               group);
      // Double's rounding, of values up to a half.
      ASSERT_NEAR(got, expected, 1e-12 * std::min(1.0, std::abs(expected)) + 1e-17)
          << test["config"] << " iteration " << iter << ", group " << group;
    }
  }
}

TEST(LrSchedule, FollowsMmcvsHooks) {
  const auto bases = golden_schedules()["bases"].get<std::vector<double>>();
  for (const json& test : golden_schedules()["rates"]) {
    const auto schedule = build_lr_schedule(Config::parse(test["config"].dump()));
    expect_golden(test, [&](const Progress& progress, size_t group) {
      return schedule->lr(bases[group], progress, group, bases.size());
    });
  }
}

TEST(MomentumSchedule, FollowsMmcvsHooks) {
  const auto base = golden_schedules()["momentum"].get<double>();
  for (const json& test : golden_schedules()["momenta"]) {
    const auto schedule = build_momentum_schedule(Config::parse(test["config"].dump()));
    expect_golden(test, [&](const Progress& progress, size_t group) {
      return schedule->momentum(base, progress, group, 2);
    });
  }
}

constexpr double kBase = 0.02;

TEST(LrSchedule, MMDetectionsStartIsAThousandth) {
  const auto schedule = build_lr_schedule(Config::parse(
      "{policy: step, step: [8, 11], warmup: linear, warmup_iters: 500, warmup_ratio: 0.001}"));
  // 1 - (1 - ratio) loses what double rounds at 1.
  EXPECT_NEAR(schedule->lr(kBase, {.iter = 0}), kBase * 0.001, 1e-17);
  EXPECT_NEAR(schedule->lr(kBase, {.iter = 1}), kBase * (1 - (1 - 1 / 500.0) * 0.999), 1e-17);
}

std::string error_of(const std::string& text, bool momentum = false) {
  try {
    if (momentum) {
      build_momentum_schedule(Config::parse(text, "x.yaml"));
    } else {
      build_lr_schedule(Config::parse(text, "x.yaml"));
    }
  } catch (const UsageError& e) {
    return e.what();
  }
  return "no error";
}

TEST(LrSchedule, NamesWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"{policy: stepp}", "did you mean 'step'?"},
      {"{policy: step, warmup_iter: 5}", "did you mean 'warmup_iters'?"},
      {"{policy: step, warmup: lin}", "expected one of constant, linear, exp"},
      {"{policy: step, step: 0}", "has to be positive"},
      {"{policy: step, warmup: linear}", "warmup_iters above 0"},
      {"{policy: step, warmup: linear, warmup_iters: 5, warmup_ratio: 2}", "and 2"},
      {"{policy: CosineAnnealing, min_lr: 0, min_lr_ratio: 0}", "give one"},
      {"{policy: CosineRestart, periods: [1, 2]}", "2 periods and 1 weights"},
      {"{policy: FlatCosineAnnealing, start_percent: 2}", "start_percent"},
      {"{policy: cyclic, by_epoch: true}", "counts iterations"},
      {"{policy: cyclic, step_ratio_up: 1}", "step_ratio_up in [0, 1)"},
      {"{policy: cyclic, target_ratio: [1, 2, 3]}", "has to be a number or two"},
      {"{policy: OneCycle}", "needs max_lr"},
      {"{policy: OneCycle, max_lr: 1, anneal_strategy: sin}", "expected one of cos, linear"},
      {"{step: 0}", "needs a key 'policy'"},
  };
  for (const auto& [text, part] : cases) {
    EXPECT_NE(error_of(text).find(part), std::string::npos) << text << ": " << error_of(text);
  }
  EXPECT_NE(error_of("{policy: poly}", true).find("poly"), std::string::npos);
  EXPECT_NE(error_of("{policy: step, min_lr: 1}", true).find("min_lr"), std::string::npos);
}

TEST(LrSchedule, NamesWhatDoesNotFitTheRun) {
  const Progress progress{.iter = 9, .max_iters = 20};
  const std::pair<const char*, const char*> cases[] = {
      {"{policy: CosineRestart, periods: [9], by_epoch: false}", "periods end at 9"},
      {"{policy: OneCycle, max_lr: 1, total_steps: 10}", "total_steps is 10"},
      {"{policy: OneCycle, max_lr: [1, 2, 3]}", "each of 2 parameter groups, got 3"},
  };
  for (const auto& [text, part] : cases) {
    const auto schedule = build_lr_schedule(Config::parse(text));
    try {
      schedule->lr(kBase, progress, 0, 2);
      FAIL() << text;
    } catch (const UsageError& e) {
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    }
  }
}

TEST(LrSchedule, PoliciesMayBeWrittenAsMmcvsClasses) {
  EXPECT_EQ(error_of("{policy: Step, step: 2}"), "no error");
  EXPECT_EQ(error_of("{policy: Cyclic}"), "no error");
}

TEST(LrSchedule, StepsAreWrittenAsRead) {
  for (const char* text : {"[8, 11]", "[]", "3"}) {
    LrSteps steps;
    steps.read(Config::parse(text));
    EXPECT_EQ(steps.write(), Config::parse(text));
  }
}

TEST(LrSchedule, NothingToTrainIsNoDivisionByZero) {
  for (const char* policy : {"{policy: CosineAnnealing}", "{policy: FlatCosineAnnealing}",
                             "{policy: LinearAnnealing}", "{policy: poly}", "{policy: cyclic}"}) {
    EXPECT_EQ(build_lr_schedule(Config::parse(policy))->lr(kBase, {}), kBase) << policy;
  }
  const auto cycle =
      build_lr_schedule(Config::parse("{policy: OneCycle, max_lr: 1, pct_start: 0}"));
  EXPECT_TRUE(std::isfinite(cycle->lr(kBase, {.max_iters = 1})));
}

}  // namespace
}  // namespace kestrel
