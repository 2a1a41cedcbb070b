// VOC's mAP and recalls of 300 sets against MMDetection's own (tests/golden/mmdetection_eval.py).
#include <gtest/gtest.h>

#include <vector>

#include <kestrel/detection/evaluation/coco_reader.h>
#include <kestrel/detection/evaluation/recall_evaluator.h>
#include <kestrel/detection/evaluation/voc_evaluator.h>

#include "../detection_golden.h"
#include "coco_sets.h"

namespace kestrel {
namespace {

struct MMDetectionSet {
  EvalTruths truths;
  std::vector<ImageDetections> found;

  explicit MMDetectionSet(int index) {
    const test::CocoSet set = test::make_coco_set(index);
    truths = parse_coco_truths(set.truths, CocoMetric::kBbox);
    // Annotations of classes that are not listed count for recall here, and not for the script.
    std::erase_if(truths.annotations, [&](const EvalTruth& t) { return label_of(t) < 0; });
    int64_t number = 0;
    for (const nlohmann::json& result : nlohmann::json::parse(set.results)) {
      const double score = static_cast<double>(number++ * 7919 % 10007) / 10007;
      const EvalTruth as_truth{.category_id = result["category_id"], .area = {}, .mask = {}};
      const int64_t label = label_of(as_truth);
      if (label < 0) continue;
      const auto [x, y, w, h] = result["bbox"].get<std::array<double, 4>>();
      found.push_back({result["image_id"],
                       {Tensor::from<float>({static_cast<float>(x), static_cast<float>(y),
                                             static_cast<float>(x + w), static_cast<float>(y + h)},
                                            {1, 4}),
                        Tensor::from<float>({static_cast<float>(score)}, {1}),
                        Tensor::from<int64_t>({label}, {1}),
                        {}}});
    }
    join_images();
  }

 private:
  int64_t label_of(const EvalTruth& truth) const {
    for (size_t k = 0; k < truths.categories.size(); ++k) {
      if (truths.categories[k].id == truth.category_id) return static_cast<int64_t>(k);
    }
    return -1;
  }

  /// One entry for each image.
  void join_images() {
    std::vector<ImageDetections> joined;
    for (const EvalImage& image : truths.images) {
      std::vector<float> boxes, scores;
      std::vector<int64_t> labels;
      for (const auto& [id, one] : found) {
        if (id != image.id) continue;
        boxes.insert(boxes.end(), one.boxes.data<float>(), one.boxes.data<float>() + 4);
        scores.push_back(one.scores.data<float>()[0]);
        labels.push_back(one.labels.data<int64_t>()[0]);
      }
      const auto count = std::ssize(scores);
      joined.push_back({image.id,
                        {Tensor::from(boxes, {count, 4}),
                         Tensor::from(scores, {count}),
                         Tensor::from(labels, {count}),
                         {}}});
    }
    found = std::move(joined);
  }
};

std::vector<double> numbers_of(const MMDetectionSet& set) {
  std::vector<double> row;
  const auto numbers = [&](const VocEvaluatorOptions& options) {
    return VocEvaluator(options, set.truths).evaluate(set.found).numbers;
  };
  row.push_back(numbers({})[0].second);
  row.push_back(
      numbers({.iou_thr = {{0.4}}, .mode = VocMode::ElevenPoints, .legacy_coordinates = false})[0]
          .second);
  const auto by_size = numbers({.iou_thr = {{0.6}},
                                .legacy_coordinates = false,
                                .scale_ranges = {{0, 20}, {20, 45}, {45, 1e5}}});
  for (size_t i = 2; i < by_size.size(); ++i) row.push_back(by_size[i].second);
  for (const bool legacy : {false, true}) {
    const auto recalls =
        RecallEvaluator(
            {.proposal_nums = {1, 4, 100}, .iou_thr = {{0.5, 0.75}}, .legacy_coordinates = legacy},
            set.truths)
            .evaluate(set.found)
            .numbers;
    for (size_t i = 0; i < 6; ++i) row.push_back(recalls[i].second);
  }
  return row;
}

TEST(MMDetectionEval, MeanPrecisionsAndRecallsAreTheirs) {
  const nlohmann::json sets = test::golden_file("mmdetection_eval").at("sets");
  ASSERT_EQ(sets.size(), 300u);
  int told_apart = 0;
  for (const auto& expected : sets) {
    const int index = expected[0];
    const std::vector<double> row = numbers_of(MMDetectionSet(index));
    ASSERT_EQ(row.size() + 1, expected.size());
    for (size_t i = 0; i < row.size(); ++i) {
      EXPECT_NEAR(row[i], expected[i + 1].get<double>(), 1e-9) << "set " << index << ", " << i;
    }
    told_apart += row[0] > 0 && row[0] < 1;
  }
  EXPECT_GT(told_apart, 150) << "most sets must be neither all right nor all wrong";
}

TEST(RecallEvaluator, CountsByHand) {
  EvalTruths truths;
  truths.images = {{1, 100, 100}, {2, 100, 100}};
  truths.categories = {{1, "cat"}};
  const auto add = [&](int64_t image, double x, bool crowd) {
    truths.annotations.push_back({.id = std::ssize(truths.annotations) + 1,
                                  .image_id = image,
                                  .category_id = 1,
                                  .bbox = {x, 0, 10, 10},
                                  .area = {},
                                  .crowd = crowd,
                                  .mask = {}});
  };
  add(1, 0, false);
  add(1, 20, false);
  add(2, 0, false);
  add(2, 50, true);
  const std::vector<ImageDetections> found = {
      {1,
       {Tensor::from<float>({0, 0, 10, 10, 20, 0, 30, 8}, {2, 4}),
        Tensor::from<float>({0.3F, 0.9F}, {2}),
        Tensor::from<int64_t>({0, 0}, {2}),
        {}}}};
  // The best box alone finds one of three at .5 and none at .9; both find two and one.
  const EvalReport report =
      RecallEvaluator({.proposal_nums = {1, 2}, .iou_thr = {{0.5, 0.9}}}, truths).evaluate(found);
  const std::vector<std::pair<std::string, double>> expected = {
      {"recall@1@0.5", 1. / 3}, {"recall@1@0.9", 0}, {"recall@2@0.5", 2. / 3},
      {"recall@2@0.9", 1. / 3}, {"ar1", 1. / 6},     {"ar2", 0.5}};
  ASSERT_EQ(report.numbers.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(report.numbers[i].first, expected[i].first);
    EXPECT_NEAR(report.numbers[i].second, expected[i].second, 1e-15);
  }
  EXPECT_EQ(std::ranges::count(report.text, '\n'), 3);
}

TEST(RecallEvaluator, SaysWhatIsWrong) {
  const EvalTruths none;
  EXPECT_EQ(RecallEvaluator({}, none).evaluate({}).numbers[0].second, -1);
  EXPECT_THROW(RecallEvaluator({.metric = {{"mAP"}}}, none), UsageError);
  EXPECT_THROW(RecallEvaluator({.proposal_nums = {10, 5}}, none), UsageError);
  EXPECT_THROW(RecallEvaluator({.proposal_nums = {}}, none), UsageError);
  EXPECT_THROW(RecallEvaluator({.iou_thr = {{1.5}}}, none), UsageError);
  EXPECT_THROW(VocEvaluator({.scale_ranges = {{30, 20}}}, none), UsageError);
}

}  // namespace
}  // namespace kestrel
