#include <fstream>
#include <numeric>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <kestrel/detection/evaluation/confusion_matrix.h>

namespace kestrel {
namespace {

using Json = nlohmann::json;

EvalTruth object(int64_t image, int64_t category, const std::array<double, 4>& box) {
  EvalTruth truth;
  truth.image_id = image;
  truth.category_id = category;
  truth.bbox = box;
  return truth;
}

CocoEvalDetection detection(int64_t image, int64_t category, double score,
                            const std::array<double, 4>& box) {
  CocoEvalDetection found;
  found.image_id = image;
  found.category_id = category;
  found.score = score;
  found.bbox = box;
  return found;
}

// The category ids have gaps and are not in order of the list.
EvalTruths two_classes() {
  EvalTruths truths;
  truths.categories = {{20, "dog"}, {7, "cat"}};
  return truths;
}

TEST(ConfusionMatrix, EveryKindOfCell) {
  EvalTruths truths = two_classes();
  truths.annotations = {object(1, 7, {0, 0, 10, 10}), object(1, 20, {100, 0, 10, 10}),
                        object(2, 20, {0, 0, 10, 10})};
  const std::vector<CocoEvalDetection> found = {
      detection(1, 7, 0.9, {0, 0, 10, 10}),     // a cat, found
      detection(1, 7, 0.9, {100, 0, 10, 10}),   // a dog, taken for a cat
      detection(1, 20, 0.9, {50, 50, 10, 10}),  // nothing, taken for a dog
      detection(2, 20, 0.25, {0, 0, 10, 10}),   // not sure enough: the dog is not found
      detection(9, 20, 0.9, {0, 0, 10, 10})};   // an image without objects
  const ConfusionMatrix matrix = confusion_matrix(truths, found);
  EXPECT_EQ(matrix.classes, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(matrix.counts, (std::vector<int64_t>{1, 1, 0,  //
                                                 0, 0, 2,  //
                                                 0, 1, 0}));
  EXPECT_EQ(matrix.column_sum(1), 2);
}

TEST(ConfusionMatrix, OverlapHasToBeMoreThanTheThreshold) {
  EvalTruths truths = two_classes();
  truths.annotations = {object(1, 7, {0, 0, 100, 1})};
  const auto matched = [&](double width) {
    return confusion_matrix(truths, {detection(1, 7, 0.9, {0, 0, width, 1})}).at(0, 0);
  };
  EXPECT_EQ(matched(45), 0);
  EXPECT_EQ(matched(46), 1);
}

TEST(ConfusionMatrix, CrowdsAreNeitherRightNorWrong) {
  EvalTruths truths = two_classes();
  truths.annotations = {object(1, 7, {0, 0, 100, 100})};
  truths.annotations[0].crowd = true;
  const ConfusionMatrix matrix = confusion_matrix(
      truths, {detection(1, 7, 0.9, {10, 10, 5, 5}), detection(1, 7, 0.9, {200, 10, 5, 5})});
  EXPECT_EQ(std::accumulate(matrix.counts.begin(), matrix.counts.end(), int64_t{0}), 1);
  EXPECT_EQ(matrix.at(0, 2), 1);
}

TEST(ConfusionMatrix, NothingAtAll) {
  EXPECT_EQ(confusion_matrix({}, {}).counts, std::vector<int64_t>{0});
  EXPECT_EQ(confusion_matrix(two_classes(), {}).counts, std::vector<int64_t>(9, 0));
}

// tests/golden/confusion_matrix.py
TEST(ConfusionMatrix, SameAsUltralytics) {
  std::ifstream in(KESTREL_TEST_DIR "/golden/data/confusion_matrix.json");
  const Json golden = Json::parse(in);
  const auto classes = golden.at("classes").get<int64_t>();
  ASSERT_GE(golden.at("sets").size(), 4U);
  for (const Json& set : golden.at("sets")) {
    EvalTruths truths;
    for (int64_t k = 0; k < classes; ++k) truths.categories.push_back({k, std::to_string(k)});
    std::vector<CocoEvalDetection> found;
    int64_t id = 0;
    for (const Json& image : set.at("images")) {
      ++id;
      for (size_t i = 0; i < image.at("boxes").size(); ++i) {
        truths.annotations.push_back(
            object(id, image.at("labels")[i], image.at("boxes")[i].get<std::array<double, 4>>()));
      }
      for (const Json& d : image.at("detections")) {
        found.push_back(detection(id, d[5].get<int64_t>(), d[4], {d[0], d[1], d[2], d[3]}));
      }
    }
    const ConfusionMatrix matrix = confusion_matrix(truths, found);
    for (int64_t predicted = 0; predicted <= classes; ++predicted) {
      for (int64_t truth = 0; truth <= classes; ++truth) {
        EXPECT_EQ(matrix.at(predicted, truth), set.at("matrix")[predicted][truth].get<int64_t>())
            << predicted << ", " << truth;
      }
    }
  }
}

}  // namespace
}  // namespace kestrel
