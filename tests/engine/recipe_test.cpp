#include <gtest/gtest.h>

#include <cmath>

#include <kestrel/data/datasets/shapes.h>
#include <kestrel/engine/recipe/small_set_recipe.h>

namespace kestrel {
namespace {

/// 200 pictures of 640 x 480 with a small class of 48 x 48 pixels and a large one of 96 x 192.
DataSurvey cells() {
  DataSurvey survey{.images = 200, .image_width = 640, .image_height = 480};
  survey.classes = {"small", "large"};
  survey.sizes = {std::vector<ObjectSize>(100, {0.1, 0.1}),
                  std::vector<ObjectSize>(900, {0.2, 0.4})};
  return survey;
}

std::string value_of(const Recipe& recipe, const std::string& key) {
  for (const std::string& assignment : recipe.overrides) {
    if (assignment.starts_with(key + "=")) return assignment.substr(key.size() + 1);
  }
  ADD_FAILURE() << "nothing sets " << key;
  return "";
}

const RecipeChoice& choice_of(const Recipe& recipe, const std::string& what) {
  for (const RecipeChoice& choice : recipe.choices) {
    if (choice.what == what) return choice;
  }
  ADD_FAILURE() << "there is no choice of " << what;
  return recipe.choices.front();
}

TEST(SmallSetRecipe, FollowsTheData) {
  const Recipe recipe = small_set_recipe(cells(), {});
  // 20 pixels of 0.1 are 200, and 256 is the least; anchors of 2 * 8 pixels fit 25 and 51 x 102.
  EXPECT_EQ(choice_of(recipe, "image size").value, "256");
  EXPECT_EQ(value_of(recipe, "data.val.pipeline.1.img_scale"), "[426, 256]");
  EXPECT_EQ(value_of(recipe, "runner.max_epochs"), "40");        // 8,000 pictures
  EXPECT_EQ(value_of(recipe, "lr_config.warmup_iters"), "100");  // a twentieth of 2,000
  EXPECT_EQ(value_of(recipe, "optimizer.lr"), "0.001");
  EXPECT_EQ(value_of(recipe, "evaluation.interval"), "4");
  const double scale =
      std::stod(value_of(recipe, "model.bbox_head.anchor_generator.octave_base_scale"));
  EXPECT_EQ(matched_share(cells(), 256, scale), 1);
  for (const RecipeChoice& choice : recipe.choices) EXPECT_FALSE(choice.why.empty());
}

TEST(SmallSetRecipe, SmallObjectsNeedLargePicturesAndSmallAnchors) {
  DataSurvey survey = cells();
  survey.sizes[0].assign(100, {0.03, 0.03});
  const Recipe recipe = small_set_recipe(survey, {});
  EXPECT_EQ(choice_of(recipe, "image size").value, "480");  // not beyond the files
  survey.image_width = 4000;
  survey.image_height = 3000;
  EXPECT_EQ(choice_of(small_set_recipe(survey, {}), "image size").value, "672");
  survey.sizes[0].assign(100, {0.005, 0.005});
  const RecipeChoice& tiny = choice_of(small_set_recipe(survey, {}), "image size");
  EXPECT_EQ(tiny.value, "800");
  EXPECT_NE(tiny.why.find("that is small"), std::string::npos);
}

TEST(SmallSetRecipe, WhatIsAskedForWins) {
  const Recipe recipe =
      small_set_recipe(cells(), {.image_size = 512, .epochs = 10, .batch = 16, .lr = 0.5});
  EXPECT_EQ(value_of(recipe, "data.test.pipeline.1.img_scale"), "[853, 512]");
  EXPECT_EQ(value_of(recipe, "runner.max_epochs"), "10");
  EXPECT_EQ(value_of(recipe, "data.samples_per_gpu"), "16");
  EXPECT_EQ(value_of(recipe, "optimizer.lr"), "0.5");
  EXPECT_EQ(value_of(recipe, "lr_config.warmup_iters"), "6");  // of 13 * 10
  EXPECT_EQ(choice_of(recipe, "epochs").why, "as asked");
  // Without a wish the rate goes with the root of the batch.
  EXPECT_EQ(value_of(small_set_recipe(cells(), {.batch = 16}), "optimizer.lr"), "0.002");
}

TEST(SmallSetRecipe, EverySetHasOne) {
  DataSurvey few = cells();
  few.images = 3;
  EXPECT_EQ(value_of(small_set_recipe(few, {}), "runner.max_epochs"), "100");
  few.images = 1900;
  EXPECT_EQ(value_of(small_set_recipe(few, {}), "runner.max_epochs"), "20");
  EXPECT_EQ(choice_of(small_set_recipe({}, {}), "image size").value, "256");
}

TEST(FitSchedule, StepsKeepTheirShares) {
  const auto fitted = [](const std::string& lr, int64_t epochs, int64_t iterations) {
    Config config = Config::map();
    config.set("lr_config", Config::parse(lr));
    config.set("runner", Config::parse("{max_epochs: " + std::to_string(epochs) + "}"));
    const auto changes = fit_schedule(config, 12, iterations);
    return std::pair(config.at("lr_config").to_json(), changes.size());
  };
  EXPECT_EQ(fitted("{policy: step, step: [8, 11], warmup_iters: 500}", 24, 90000),
            std::pair(std::string(R"({"policy": "step", "step": [16, 22], "warmup_iters": 500})"),
                      size_t{1}));
  // 160 pictures in batches of 8, 20 epochs.
  EXPECT_EQ(fitted("{policy: step, step: [8, 11], warmup_iters: 500}", 20, 400),
            std::pair(std::string(R"({"policy": "step", "step": [13, 18], "warmup_iters": 40})"),
                      size_t{2}));
  EXPECT_EQ(fitted("{policy: step, step: [8, 11]}", 2, 400),
            std::pair(std::string(R"({"policy": "step", "step": [1]})"), size_t{1}));
  EXPECT_EQ(fitted("{policy: step, step: [8, 11]}", 12, 100).second, 0u);
  EXPECT_EQ(fitted("{policy: CosineAnnealing, by_epoch: false, warmup_iters: 5}", 3, 100).second,
            0u);
}

TEST(DataSurvey, CountsWhatIsTrainedOn) {
  const ShapesDataset shapes({.num_images = 12});
  const DataSurvey found = survey(shapes);
  EXPECT_EQ(found.images, 12);
  EXPECT_EQ(found.classes, shapes.class_names());
  int64_t objects = 0;
  for (int64_t i = 0; i < shapes.size(); ++i) objects += std::ssize(shapes.annotations(i));
  EXPECT_EQ(found.objects(), objects);
  EXPECT_GT(found.smallest_class(), 0);
  EXPECT_LT(found.smallest_class(), 1);
}

TEST(DataSurvey, TypicalSizesAreTheClustersOfBoxes) {
  DataSurvey survey = cells();
  survey.sizes[0].assign(50, {0.1, 0.1});
  survey.sizes[0].resize(100, {0.11, 0.1});
  const std::vector<ObjectSize> sizes = typical_sizes(survey, 2);
  ASSERT_EQ(sizes.size(), 2u);
  EXPECT_NEAR(sizes[0].width, 0.105, 1e-9);
  EXPECT_NEAR(sizes[1].height, 0.4, 1e-9);
  EXPECT_EQ(typical_sizes(survey, 5000).size(), 1000u);
  EXPECT_TRUE(typical_sizes({}, 3).empty());
}

}  // namespace
}  // namespace kestrel
