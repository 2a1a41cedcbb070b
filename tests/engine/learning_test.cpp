// What tells of a run that does not learn, and of what goes wrong in pictures.
#include <gtest/gtest.h>

#include <functional>

#include <kestrel/engine/diagnosis/picture_errors.h>
#include <kestrel/engine/hooks/learning_watch_hook.h>
#include <kestrel/engine/runner.h>

#include "../data/support.h"

namespace kestrel {
namespace {

/// A run whose loss is a function of the iteration.
struct LossSeries : TrainTask {
  explicit LossSeries(std::function<double(int64_t)> loss) : loss_of(std::move(loss)) {}
  int64_t epoch_length() const override { return 50; }
  void begin_epoch(int64_t epoch, int64_t first) override { next = epoch * 50 + first; }
  void load_batch() override {}
  StepResult forward() override {
    const Variable loss(Tensor::full({}, loss_of(next++)));
    return {.loss = loss, .losses = {{"loss", loss}}};
  }
  std::function<double(int64_t)> loss_of;
  int64_t next = 0;
};

/// Leaves what an evaluation would.
struct Finds : Hook {
  explicit Finds(double value) : ap(value) {}
  void after_epoch(Runner& runner) override { runner.metrics = {{"ap", ap}}; }
  double ap;
};

/// The warnings of ten epochs of 50 iterations.
std::vector<std::string> watched(std::function<double(int64_t)> loss, double ap) {
  const test::Warnings warnings;
  LossSeries task(std::move(loss));
  Runner runner(task, 10);
  runner.add_hook(std::make_shared<Finds>(ap));
  runner.add_hook(std::make_shared<LearningWatchHook>(LearningWatchOptions{}, HookContext{}),
                  Priority::VeryLow);
  runner.run();
  return warnings.texts();
}

TEST(LearningWatch, SaysNothingOfARunThatLearns) {
  EXPECT_TRUE(
      watched([](int64_t i) { return 2.0 / (1 + 0.02 * static_cast<double>(i)); }, 0.3).empty());
}

TEST(LearningWatch, NamesAFlatLoss) {
  const auto told = watched([](int64_t i) { return 1 + 0.01 * static_cast<double>(i % 3); }, 0.3);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find("[watch] the loss is flat: 1.01 in the first 25 iterations"),
            std::string::npos)
      << told[0];
}

TEST(LearningWatch, NamesALossThatRises) {
  const auto told = watched(
      [](int64_t i) { return i < 250 ? 1.0 / (1 + 0.1 * static_cast<double>(i)) : 3.0; }, 0.3);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find("the learning rate is too high"), std::string::npos) << told[0];
}

TEST(LearningWatch, NamesEvaluationsThatFindNothing) {
  const auto falling = [](int64_t i) { return 2.0 / (1 + 0.02 * static_cast<double>(i)); };
  const auto told = watched(falling, 0);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find("ap is still 0 after epoch 4 of 10"), std::string::npos) << told[0];
  EXPECT_TRUE(watched(falling, -1).empty());  // nothing is annotated
}

class TwoPictures final : public Dataset {
 public:
  TwoPictures() : Dataset("pictures") {
    set_classes({"cat", "dog"});
    add_image({.id = 1, .file = "a.png", .width = 100, .height = 100},
              {{.id = 1, .label = 0, .bbox = {0, 0, 20, 20}},
               {.id = 2, .label = 1, .bbox = {50, 50, 20, 20}},
               {.id = 3, .label = 0, .bbox = {80, 80, 20, 20}, .crowd = true}});
    add_image({.id = 2, .file = "b.png", .width = 100, .height = 100},
              {{.id = 4, .label = 0, .bbox = {0, 0, 20, 20}}});
  }
};

TEST(PictureErrors, AreMissedAndWrongOnes) {
  const TwoPictures pictures;
  // A cat that is right, the same again, a dog taken for a cat, something in the crowd, and one
  // that scores too little.
  const Detections found{
      Tensor::from<float>(
          {0, 0, 20, 21, 1, 0, 20, 20, 50, 50, 70, 70, 82, 82, 90, 90, 0, 0, 20, 20}, {5, 4}),
      Tensor::from<float>({0.9F, 0.8F, 0.7F, 0.6F, 0.1F}, {5}),
      Tensor::from<int64_t>({0, 0, 0, 0, 0}, {5})};
  const auto errors = picture_errors(pictures, {{1, found}});
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors[0].index, 0);
  EXPECT_EQ(errors[0].right, (std::vector<size_t>{0}));
  EXPECT_EQ(errors[0].wrong, (std::vector<size_t>{1, 2}));
  EXPECT_EQ(errors[0].missed, (std::vector<size_t>{1}));
  EXPECT_NEAR(errors[0].cost, 1 + 0.8 + 0.7, 1e-6);
  EXPECT_EQ(errors[1].missed, (std::vector<size_t>{0}));  // nothing was found there
  EXPECT_EQ(errors[1].cost, 1);
}

TEST(PictureErrors, APictureWithoutAnyIsNotListed) {
  const TwoPictures pictures;
  const Detections right{Tensor::from<float>({0, 0, 20, 20}, {1, 4}),
                         Tensor::from<float>({0.9F}, {1}), Tensor::from<int64_t>({0}, {1})};
  const auto errors = picture_errors(pictures, {{2, right}});
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].index, 0);
}

}  // namespace
}  // namespace kestrel
