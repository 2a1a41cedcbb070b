#include <kestrel/engine/schedules/lr_schedule.h>

#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace kestrel {
namespace {

constexpr int64_t kEpochs = 4, kLength = 5;
constexpr double kBase = 0.02;

std::vector<double> rates(const std::string& config) {
  const auto schedule = build_lr_schedule(Config::parse(config));
  std::vector<double> result;
  for (int64_t iter = 0; iter < kEpochs * kLength; ++iter) {
    result.push_back(schedule->lr(kBase, {.epoch = iter / kLength,
                                          .iter = iter,
                                          .max_epochs = kEpochs,
                                          .max_iters = kEpochs * kLength,
                                          .epoch_length = kLength}));
  }
  return result;
}

TEST(LrSchedule, FollowsTheFormulas) {
  const std::pair<const char*, const char*> cases[] = {
      {"step", "{policy: step, step: [2, 3]}"},
      {"step_every_iters", "{policy: step, by_epoch: false, step: 4, gamma: 0.5, min_lr: 0.002}"},
      {"cosine_linear",
       "{policy: CosineAnnealing, by_epoch: false, min_lr: 1e-4, warmup: linear, warmup_iters: 6, "
       "warmup_ratio: 0.001}"},
      {"cosine_ratio_epochs", "{policy: CosineAnnealing, min_lr_ratio: 0.05}"},
      {"poly_exp",
       "{policy: poly, by_epoch: false, power: 0.9, min_lr: 1e-3, warmup: exp, warmup_iters: 1, "
       "warmup_by_epoch: true}"},
      {"exp_constant",
       "{policy: exp, gamma: 0.7, warmup: constant, warmup_iters: 7, warmup_ratio: "
       "0.3333333333333333}"},
      {"inv", "{policy: inv, by_epoch: false, gamma: 0.1, power: 0.75}"},
  };
  const auto golden = nlohmann::json::parse(
      std::ifstream(std::string(KESTREL_TEST_DIR) + "/golden/data/optimizers.json"));
  for (const auto& [name, config] : cases) {
    const auto want = golden["schedules"][name].get<std::vector<double>>();
    const auto got = rates(config);
    ASSERT_EQ(want.size(), got.size());
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_NEAR(got[i], want[i], 1e-12 * kBase) << name << " " << i;  // Double's rounding.
    }
  }
}

TEST(LrSchedule, MMDetectionsStartIsAThousandth) {
  const auto got = rates(
      "{policy: step, step: [8, 11], warmup: linear, warmup_iters: 500, "
      "warmup_ratio: 0.001}");
  // 1 - (1 - ratio) loses what double rounds at 1.
  EXPECT_NEAR(got[0], kBase * 0.001, 1e-17);
  EXPECT_NEAR(got[1], kBase * (1 - (1 - 1 / 500.0) * 0.999), 1e-17);
}

TEST(LrSchedule, NamesWhatIsWrong) {
  const auto error = [](const std::string& text) -> std::string {
    try {
      build_lr_schedule(Config::parse(text, "x.yaml"));
    } catch (const UsageError& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_NE(error("{policy: stepp}").find("did you mean 'step'?"), std::string::npos);
  EXPECT_NE(error("{policy: step, warmup_iter: 5}").find("did you mean 'warmup_iters'?"),
            std::string::npos);
  EXPECT_NE(error("{policy: step, warmup: lin}").find("expected one of constant, linear, exp"),
            std::string::npos);
  EXPECT_NE(error("{policy: step, step: 0}").find("has to be positive"), std::string::npos);
  EXPECT_NE(error("{policy: CosineAnnealing, min_lr: 0, min_lr_ratio: 0}"), "no error");
  EXPECT_NE(error("{step: 0}").find("needs a key 'policy'"), std::string::npos);
}

TEST(LrSchedule, StepsAreWrittenAsRead) {
  for (const char* text : {"[8, 11]", "[]", "3"}) {
    LrSteps steps;
    steps.read(Config::parse(text));
    EXPECT_EQ(steps.write(), Config::parse(text));
  }
}

TEST(LrSchedule, NothingToTrainIsNoDivisionByZero) {
  const auto schedule = build_lr_schedule(Config::parse("{policy: CosineAnnealing}"));
  EXPECT_EQ(schedule->lr(kBase, {}), kBase);
}

}  // namespace
}  // namespace kestrel
