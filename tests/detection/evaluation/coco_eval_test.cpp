#include <kestrel/detection/evaluation/coco_eval.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include <kestrel/detection/evaluation/coco_accumulate.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/log.h>
#include <kestrel/kernels/parallel.h>

#include "../../support/error_of.h"

namespace kestrel {
namespace {

constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

/// One image of 200 x 200 with id 7, class 3, and the given annotations.
EvalTruths truths_of(std::vector<EvalTruth> annotations) {
  return {.images = {{7, 200, 200}},
          .categories = {{3, "bird"}},
          .annotations = std::move(annotations)};
}

EvalTruth truth(int64_t id, std::array<double, 4> box) {
  return {.id = id, .image_id = 7, .category_id = 3, .bbox = box};
}

CocoEvalDetection detection(double score, std::array<double, 4> box) {
  return {.image_id = 7, .category_id = 3, .score = score, .bbox = box};
}

CocoEvalResult evaluate(const EvalTruths& truths,
                        const std::vector<CocoEvalDetection>& detections) {
  return evaluate_coco(truths, detections, CocoMetric::kBbox);
}

/// Collects warnings while it lives.
class Warnings {
 public:
  Warnings()
      : previous_(set_warning_sink([this](std::string_view text) { texts.emplace_back(text); })) {}
  ~Warnings() { set_warning_sink(previous_); }
  std::vector<std::string> texts;

 private:
  WarningSink previous_;
};

struct RandomSet {
  EvalTruths truths;
  std::vector<CocoEvalDetection> detections;
};

RandomSet random_set(unsigned seed, int images, int classes, int detections) {
  std::mt19937 random(seed);
  const auto uniform = [&](double limit) { return double(random()) / 4294967296. * limit; };
  RandomSet set;
  for (int i = 0; i < images; ++i) set.truths.images.push_back({i + 1, 300, 300});
  for (int k = 0; k < classes; ++k)
    set.truths.categories.push_back({k + 1, "class " + std::to_string(k + 1)});
  for (int i = 0; i < images * classes; ++i) {
    const double x = uniform(100), y = uniform(100), w = uniform(100), h = uniform(100);
    set.truths.annotations.push_back({.id = i + 1,
                                      .image_id = 1 + int64_t(random() % images),
                                      .category_id = 1 + int64_t(random() % classes),
                                      .bbox = {x, y, w, h},
                                      .crowd = random() % 10 == 0});
  }
  for (int i = 0; i < detections; ++i) {
    const EvalTruth& t = set.truths.annotations[random() % set.truths.annotations.size()];
    set.detections.push_back({.image_id = t.image_id,
                              .category_id = t.category_id,
                              .score = uniform(1),
                              .bbox = {t.bbox[0] + uniform(20), t.bbox[1] + uniform(20),
                                       t.bbox[2] + uniform(10), t.bbox[3] + uniform(10)}});
  }
  return set;
}

TEST(CocoEval, PerfectDetectionsScoreOne) {
  RandomSet set = random_set(1, 5, 3, 0);
  for (const auto& t : set.truths.annotations)
    set.detections.push_back(
        {.image_id = t.image_id, .category_id = t.category_id, .score = .5, .bbox = t.bbox});
  for (auto& t : set.truths.annotations) t.crowd = false;
  const CocoEvalResult result = evaluate(set.truths, set.detections);
  // 1 - epsilon: the reference adds epsilon to the count that it divides by.
  EXPECT_NEAR(result.ap(), 1, 1e-15);
  EXPECT_EQ(result.stats[8], 1);
}

TEST(CocoEval, NoDetectionsIsZeroWhereThereAreAnnotations) {
  const CocoEvalResult result = evaluate(truths_of({truth(1, {0, 0, 50, 50})}), {});
  EXPECT_EQ(result.stats, (std::array<double, 12>{0, 0, 0, -1, 0, -1, 0, 0, 0, -1, 0, -1}));
}

TEST(CocoEval, NothingAtAllIsMinusOne) {
  std::array<double, 12> absent;
  absent.fill(-1);
  EXPECT_EQ(evaluate({}, {}).stats, absent);
  EXPECT_EQ(evaluate(truths_of({}), {detection(1, {0, 0, 5, 5})}).stats, absent);
}

TEST(CocoEval, AreaBordersBelongToTwoRanges) {
  for (const auto& [area, small, medium, large] :
       {std::tuple{1023., 1, 0, 0}, {1024., 1, 1, 0}, {9216., 0, 1, 1}, {9217., 0, 0, 1}}) {
    auto item = truth(1, {0, 0, 50, 50});
    item.area = area;
    const auto stats = evaluate(truths_of({item}), {detection(1, item.bbox)}).stats;
    EXPECT_EQ(stats[9] == 1, small) << area;
    EXPECT_EQ(stats[10] == 1, medium) << area;
    EXPECT_EQ(stats[11] == 1, large) << area;
  }
}

TEST(CocoEval, AnnotationZeroIsNeverFoundAndWarnedOf) {
  Warnings warnings;
  EXPECT_EQ(evaluate(truths_of({truth(0, {0, 0, 50, 50})}), {detection(1, {0, 0, 50, 50})}).ap(),
            0);
  ASSERT_EQ(warnings.texts.size(), 1);
  EXPECT_NE(warnings.texts[0].find("annotation id 0"), std::string::npos);
}

TEST(CocoEval, CrowdTakesManyDetectionsWithoutJudgingThem) {
  auto crowd = truth(1, {0, 0, 100, 100});
  crowd.crowd = true;
  const auto truths = truths_of({crowd, truth(2, {150, 150, 40, 40})});
  const auto result =
      evaluate(truths, {detection(.9, {0, 0, 30, 30}), detection(.8, {20, 20, 30, 30}),
                        detection(.7, {60, 60, 30, 30}), detection(.6, {150, 150, 40, 40})});
  EXPECT_NEAR(result.ap(), 1, 1e-15);
}

TEST(CocoEval, IgnoredAnnotationsTakeOneDetectionEach) {
  auto ignored = truth(1, {0, 0, 50, 50});
  ignored.ignore = true;
  const auto truths = truths_of({ignored, truth(2, {150, 150, 40, 40})});
  const auto right = detection(.6, {150, 150, 40, 40}), on_ignored = detection(.9, ignored.bbox);
  EXPECT_NEAR(evaluate(truths, {on_ignored, right}).ap(), 1, 1e-15);
  EXPECT_NEAR(evaluate(truths, {on_ignored, on_ignored, right}).ap(), .5, 1e-15);
  // A part of it is no match, unlike a part of a crowd.
  EXPECT_NEAR(evaluate(truths, {detection(.9, {0, 0, 20, 20}), right}).ap(), .5, 1e-15);
}

TEST(CocoEval, OnlyTheBestHundredCount) {
  std::vector<CocoEvalDetection> detections;
  for (int i = 0; i < 100; ++i) detections.push_back(detection(.9, {100, 100, 20, 20}));
  detections.push_back(detection(.1, {0, 0, 50, 50}));
  const auto truths = truths_of({truth(1, {0, 0, 50, 50})});
  EXPECT_EQ(evaluate(truths, detections).stats[8], 0);
  detections.erase(detections.begin());
  EXPECT_EQ(evaluate(truths, detections).stats[8], 1);
}

TEST(CocoEval, TiedScoresKeepTheOrderOfTheInput) {
  const auto truths = truths_of({truth(1, {0, 0, 50, 50})});
  const auto right = detection(.5, {0, 0, 50, 50}), wrong = detection(.5, {100, 100, 50, 50});
  EXPECT_NEAR(evaluate(truths, {right, wrong}).ap(), 1, 1e-15);
  EXPECT_NEAR(evaluate(truths, {wrong, right}).ap(), .5, 1e-15);
}

TEST(CocoEval, OrderOfDistinctScoresDoesNotMatter) {
  RandomSet set = random_set(4, 6, 3, 300);
  const auto expected = evaluate(set.truths, set.detections);
  std::mt19937 random(5);
  for (int i = 0; i < 5; ++i) {
    std::shuffle(set.detections.begin(), set.detections.end(), random);
    std::shuffle(set.truths.images.begin(), set.truths.images.end(), random);
    std::shuffle(set.truths.categories.begin(), set.truths.categories.end(), random);
    const auto result = evaluate(set.truths, set.detections);
    EXPECT_EQ(result.precision, expected.precision);
    EXPECT_EQ(result.recall, expected.recall);
    EXPECT_EQ(result.stats, expected.stats);
  }
}

TEST(CocoEval, ScoresCountByOrderAlone) {
  RandomSet set = random_set(6, 6, 3, 300);
  const auto expected = evaluate(set.truths, set.detections).stats;
  for (auto& d : set.detections) d.score = d.score * d.score * 100 - 50;
  EXPECT_EQ(evaluate(set.truths, set.detections).stats, expected);
}

TEST(CocoEval, NumberOfThreadsDoesNotMatter) {
  const RandomSet set = random_set(7, 40, 10, 4000);
  const int before = num_threads();
  set_num_threads(1);
  const auto expected = evaluate(set.truths, set.detections);
  for (const int threads : {2, 5}) {
    set_num_threads(threads);
    const auto result = evaluate(set.truths, set.detections);
    EXPECT_EQ(result.precision, expected.precision);
    EXPECT_EQ(result.stats, expected.stats);
  }
  set_num_threads(before);
}

TEST(CocoEval, BoxesAsMasksScoreAsBoxes) {
  RandomSet set = random_set(8, 4, 2, 100);
  const auto whole = [](auto& item) {
    for (double& v : item.bbox) v = std::floor(v);
    const auto [x, y, w, h] = item.bbox;
    item.mask = mask_from_polygon(std::array{x, y, x, y + h, x + w, y + h, x + w, y}, 300, 300);
  };
  std::for_each(set.truths.annotations.begin(), set.truths.annotations.end(), whole);
  std::for_each(set.detections.begin(), set.detections.end(), whole);
  EXPECT_EQ(evaluate_coco(set.truths, set.detections, CocoMetric::kSegm).stats,
            evaluate(set.truths, set.detections).stats);
}

TEST(CocoEval, ClassNumbersAverageToTheWhole) {
  const RandomSet set = random_set(9, 6, 3, 300);
  const auto result = evaluate(set.truths, set.detections);
  ASSERT_EQ(result.class_ap.size(), 3);
  EXPECT_NEAR(std::accumulate(result.class_ap.begin(), result.class_ap.end(), 0.) / 3, result.ap(),
              1e-14);
  EXPECT_NEAR(std::accumulate(result.class_ap50.begin(), result.class_ap50.end(), 0.) / 3,
              result.ap50(), 1e-14);
  const auto curve = result.precision_recall(1);
  ASSERT_EQ(curve.size(), 101);
  EXPECT_TRUE(std::is_sorted(curve.rbegin(), curve.rend()));
  EXPECT_NEAR(std::accumulate(curve.begin(), curve.end(), 0.) / 101, result.class_ap50[1], 1e-14);
}

TEST(CocoEval, ClassWithoutAnnotationsHasNoNumbers) {
  auto truths = truths_of({truth(1, {0, 0, 50, 50})});
  truths.categories.push_back({1, "fish"});
  const auto result = evaluate(truths, {detection(1, {0, 0, 50, 50})});
  EXPECT_EQ(result.categories[0].name, "fish");
  EXPECT_EQ(result.class_ap[0], -1);
  EXPECT_TRUE(result.precision_recall(0).empty());
  EXPECT_NEAR(result.class_ap[1], 1, 1e-15);
}

TEST(CocoEval, UnlistedCategoriesAndImagesAreDroppedWithAWarning) {
  Warnings warnings;
  auto elsewhere = truth(5, {0, 0, 50, 50}), unlisted = truth(6, {0, 0, 50, 50});
  elsewhere.image_id = 99;
  unlisted.category_id = 99;
  auto other = detection(1, {0, 0, 50, 50});
  other.category_id = 98;
  const auto result = evaluate(truths_of({elsewhere, unlisted, truth(1, {0, 0, 50, 50})}),
                               {other, detection(.5, {0, 0, 50, 50})});
  EXPECT_NEAR(result.ap(), 1, 1e-15);
  EXPECT_EQ(warnings.texts,
            (std::vector<std::string>{
                "[coco] ground truth: dropped 2 annotations of images or categories that are not "
                "listed, first annotation 5",
                "[coco] dropped 1 detections of categories that are not listed, first category "
                "98"}));
}

TEST(CocoEval, WhatCannotBeEvaluatedIsNamed) {
  const auto one = truths_of({truth(1, {0, 0, 50, 50})});
  auto elsewhere = detection(1, {0, 0, 5, 5});
  elsewhere.image_id = 8;
  EXPECT_EQ(test::error_of<DataError>([&] { evaluate(one, {elsewhere}); }),
            "[coco] detection 0: image 8 is not among the annotated images");
  EXPECT_EQ(test::error_of<DataError>([&] {
              evaluate(one, {detection(kNoNumber, {0, 0, 5, 5})});
            }),
            "[coco] detection 0: score is not a number");
  EXPECT_EQ(test::error_of<DataError>([&] {
              evaluate(one, {detection(1, {0, 0, 5, kNoNumber})});
            }),
            "[coco] detection 0: bbox has a number that is not finite");
  EXPECT_EQ(test::error_of<DataError>([&] {
              evaluate(truths_of({truth(4, {kNoNumber, 0, 5, 5})}), {});
            }),
            "[coco] ground truth: annotation 4: bbox has a number that is not finite");
  EXPECT_EQ(test::error_of<DataError>([&] {
              evaluate(truths_of({truth(4, {0, 0, 5, 5}), truth(4, {0, 0, 5, 5})}), {});
            }),
            "[coco] ground truth: annotation id 4 occurs more than once");
  auto masked = truth(4, {0, 0, 5, 5});
  masked.mask = {10, 20, {200}};
  EXPECT_EQ(
      test::error_of<DataError>([&] { evaluate_coco(truths_of({masked}), {}, CocoMetric::kSegm); }),
      "[coco] ground truth: annotation 4 has a mask of 10 x 20 for image 7 of 200 x 200");
  masked.mask = {200, 200, {1, 2}};
  EXPECT_EQ(
      test::error_of<DataError>([&] { evaluate_coco(truths_of({masked}), {}, CocoMetric::kSegm); }),
      "[coco] ground truth: annotation 4: [mask] run lengths add up to 3, but 200 x 200 is "
      "40000 pixels");
  EXPECT_THROW(coco_metric_from_string("keypoints"), UsageError);
}

TEST(CocoEval, SummaryHasTheFamiliarLines) {
  const auto result =
      evaluate(truths_of({truth(1, {0, 0, 50, 50})}), {detection(1, {0, 0, 50, 50})});
  const std::string text = coco_summary(result);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 12);
  EXPECT_EQ(text.substr(0, text.find('\n')),
            " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 1.000");
  EXPECT_NE(text.find(" Average Recall     (AR) @[ IoU=0.50:0.95 | area= small | maxDets=100 ] = "
                      "-1.000\n"),
            std::string::npos);
  EXPECT_EQ(coco_class_table(result), "category      AP    AP50\nbird       1.000   1.000\n");
}

TEST(CocoEval, ThresholdsAreThoseOfNumpy) {
  EXPECT_EQ(coco_iou_thresholds()[0], .5);
  EXPECT_EQ(coco_iou_thresholds()[5], .75);
  EXPECT_EQ(coco_iou_thresholds()[9], .95);
  // numpy.linspace(.5, .95, 10)[2] and numpy.linspace(0, 1, 101)[[7, 29]], which are not .6, .07,
  // .29.
  EXPECT_EQ(coco_iou_thresholds()[2], 0.59999999999999998);
  EXPECT_EQ(coco::recall_points()[7], 0.070000000000000007);
  EXPECT_EQ(coco::recall_points()[29], 0.28999999999999998);
  EXPECT_EQ(coco::recall_points()[100], 1);
}

}  // namespace
}  // namespace kestrel
