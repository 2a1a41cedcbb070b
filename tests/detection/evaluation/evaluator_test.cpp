#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <kestrel/detection/evaluation/coco_evaluator.h>
#include <kestrel/detection/evaluation/voc_evaluator.h>

#include "../detection_golden.h"

namespace kestrel {
namespace {

double number(const EvalReport& report, const std::string& name) {
  for (const auto& [key, value] : report.numbers) {
    if (key == name) return value;
  }
  ADD_FAILURE() << "there is no " << name;
  return std::nan("");
}

std::vector<std::string> names_of(const EvalReport& report) {
  std::vector<std::string> names;
  for (const auto& [key, value] : report.numbers) names.push_back(key);
  return names;
}

/// Two pictures of 20 x 30 with a cat each and a dog in the second.
EvalTruths pets() {
  EvalTruths truths;
  truths.images = {{7, 20, 30}, {3, 20, 30}};
  truths.categories = {{18, "cat"}, {5, "dog"}};
  const auto add = [&](int64_t image, int64_t category, double x, double y) {
    std::vector<uint8_t> pixels(20 * 30);
    for (int64_t v = 0; v < 10; ++v) {
      for (int64_t u = 0; u < 10; ++u) {
        pixels[static_cast<size_t>((static_cast<int64_t>(y) + v) * 30 + static_cast<int64_t>(x) +
                                   u)] = 1;
      }
    }
    truths.annotations.push_back({.id = std::ssize(truths.annotations) + 1,
                                  .image_id = image,
                                  .category_id = category,
                                  .bbox = {x, y, 10, 10},
                                  .area = {},
                                  .mask = mask_from_pixels(pixels, 20, 30)});
  };
  add(7, 18, 2, 3);
  add(3, 18, 10, 5);
  add(3, 5, 19, 9);
  return truths;
}

/// The cats exactly, and the dog as a cat.
std::vector<ImageDetections> finds(const EvalTruths& truths) {
  std::vector<ImageDetections> found(2);
  for (size_t i = 0; i < 2; ++i) found[i].image_id = truths.images[i].id;
  found[0].found = {Tensor::from<float>({2, 3, 12, 13}, {1, 4}),
                    Tensor::from<float>({0.9F}, {1}),
                    Tensor::from<int64_t>({0}, {1}),
                    {truths.annotations[0].mask}};
  found[1].found = {Tensor::from<float>({10, 5, 20, 15, 19, 9, 29, 19}, {2, 4}),
                    Tensor::from<float>({0.8F, 0.7F}, {2}),
                    Tensor::from<int64_t>({0, 0}, {2}),
                    {truths.annotations[1].mask, truths.annotations[2].mask}};
  return found;
}

TEST(CocoEvaluator, NamesTheNumbersOfRuns) {
  const EvalTruths truths = pets();
  const EvalReport report = CocoEvaluator({}, truths).evaluate(finds(truths));
  EXPECT_EQ(names_of(report),
            (std::vector<std::string>{"ap", "ap50", "ap75", "ap_s", "ap_m", "ap_l", "ar100"}));
  // Cats perfectly, the dog not at all; what is not annotated is -1.
  EXPECT_NEAR(number(report, "ap"), 0.5, 1e-15);
  EXPECT_EQ(number(report, "ap_l"), -1);
  ASSERT_EQ(report.curves.size(), 2u);
  EXPECT_EQ(report.curves[0].name, "dog");  // by category id
  EXPECT_EQ(report.curves[1].ap, 1);
  EXPECT_EQ(report.mean_curve.precision[0], 0.5);
  EXPECT_NE(report.text.find("Average Precision"), std::string::npos);
  EXPECT_NE(report.text.find("dog"), std::string::npos);
}

TEST(CocoEvaluator, MasksAndProposalsHaveNumbersOfTheirOwn) {
  const EvalTruths truths = pets();
  const CocoEvaluator evaluator(
      {.metric = {{"bbox", "segm", "proposal"}}, .classwise = true, .proposal_nums = {1, 2, 3}},
      truths);
  std::vector<ImageDetections> found = finds(truths);
  // The dog's mask is half as large as it should be.
  found[1].found.masks[0] = mask_from_pixels(std::vector<uint8_t>(20 * 30, 1), 20, 30);
  const EvalReport report = evaluator.evaluate(found);
  EXPECT_NEAR(number(report, "ap"), 0.5, 1e-15);
  EXPECT_LT(number(report, "segm_ap"), 0.5);
  EXPECT_EQ(number(report, "ap/cat"), 1);
  EXPECT_EQ(number(report, "ap/dog"), 0);
  // Without classes the dog is found, too, as the second of its picture.
  EXPECT_EQ(number(report, "proposal_ar2"), 1);
  EXPECT_NEAR(number(report, "proposal_ar1"), 2.0 / 3, 1e-15);
  EXPECT_NE(report.text.find("segm:\n"), std::string::npos);
}

TEST(CocoEvaluator, ItsLimitsAndItemsAreOptions) {
  const EvalTruths truths = pets();
  const CocoEvaluator evaluator({.metric = {{"bbox", "proposal_fast"}},
                                 .proposal_nums = {1, 2, 3},
                                 .max_dets = {1, 5, 20},
                                 .iou_thrs = {0.3, 0.5},
                                 .metric_items = {{"AR@20", "mAP_50", "mAP_75", "AR_s@20"}}},
                                truths);
  const EvalReport report = evaluator.evaluate(finds(truths));
  EXPECT_EQ(names_of(report),
            (std::vector<std::string>{"ar20", "ap50", "ap75", "ar_s", "proposal_fast_ar1",
                                      "proposal_fast_ar2", "proposal_fast_ar3"}));
  EXPECT_EQ(number(report, "ap75"), -1);  // no threshold here
  EXPECT_EQ(number(report, "ar_s"), 0.5);
  EXPECT_NEAR(number(report, "proposal_fast_ar1"), 2. / 3, 1e-15);
  EXPECT_EQ(number(report, "proposal_fast_ar2"), 1);
  EXPECT_NE(report.text.find("IoU=0.30:0.50 | area=   all | maxDets= 20"), std::string::npos);
  EXPECT_THROW(CocoEvaluator({.metric_items = {{"mAP_60"}}}, truths), UsageError);
  EXPECT_THROW(CocoEvaluator({.iou_thrs = {0}}, truths), UsageError);
  EXPECT_THROW(CocoEvaluator({.iou_thrs = std::vector<double>(33, 0.5)}, truths), UsageError);
  EXPECT_THROW(CocoEvaluator({.areas = {100, 50}}, truths), UsageError);
}

TEST(CocoEvaluator, SaysWhatIsWrong) {
  const EvalTruths truths = pets();
  EXPECT_THROW(CocoEvaluator({.metric = {{"mAP"}}}, truths), UsageError);
  EXPECT_THROW(CocoEvaluator({.proposal_nums = {10, 5, 20}}, truths), UsageError);
  std::vector<ImageDetections> found = finds(truths);
  found[1].found.masks.pop_back();
  EXPECT_THROW(CocoEvaluator({}, truths).evaluate(found), Error);
  found = finds(truths);
  found[0].image_id = 99;
  EXPECT_THROW(CocoEvaluator({}, truths).evaluate(found), DataError);
}

TEST(Evaluator, IsBuiltByItsName) {
  const EvalTruths truths = pets();
  const auto coco = build<Evaluator, const EvalTruths&>(
      Config::parse("{type: CocoEvaluator, metric: [bbox, segm]}"), truths);
  EXPECT_EQ(coco->evaluate(finds(truths)).numbers.size(), 14u);
  const auto voc = build<Evaluator, const EvalTruths&>(
      Config::parse("{type: VocEvaluator, mode: 11points}"), truths);
  EXPECT_EQ(voc->evaluate(finds(truths)).numbers[0].first, "map");
}

/// The annotations and detections of tests/golden/mmdetection_voc_map.py.
struct VocGolden {
  nlohmann::json json = test::golden_file("voc_map");
  EvalTruths truths;
  std::vector<ImageDetections> found;

  VocGolden() {
    for (const auto& name : json.at("classes")) {
      truths.categories.push_back({std::ssize(truths.categories) + 1, name});
    }
    for (const auto& image : json.at("images")) {
      const int64_t id = std::ssize(truths.images) + 1;
      truths.images.push_back({id, 200, 200});
      const auto boxes = image.at("boxes").get<std::vector<double>>();
      const auto labels = image.at("labels").get<std::vector<int64_t>>();
      for (size_t i = 0; i < labels.size(); ++i) {
        const double* b = boxes.data() + 4 * i;
        truths.annotations.push_back({.id = std::ssize(truths.annotations) + 1,
                                      .image_id = id,
                                      .category_id = labels[i] + 1,
                                      .bbox = {b[0], b[1], b[2] - b[0], b[3] - b[1]},
                                      .area = {},
                                      .ignore = image.at("difficult")[i],
                                      .mask = {}});
      }
      const auto scores = image.at("scores").get<std::vector<float>>();
      const int64_t count = std::ssize(scores);
      found.push_back(
          {id,
           {Tensor::from(image.at("found").get<std::vector<float>>(), {count, 4}),
            Tensor::from(scores, {count}),
            Tensor::from(image.at("found_labels").get<std::vector<int64_t>>(), {count})}});
    }
  }
};

TEST(VocEvaluator, HasTheNumbersOfMMDetection) {
  const VocGolden golden;
  for (const auto& item : golden.json.at("cases")) {
    const double threshold = item.at("iou_thr");
    const VocEvaluator evaluator(
        {.iou_thr = {{threshold}},
         .mode = item.at("mode") == "area" ? VocMode::Area : VocMode::ElevenPoints,
         .legacy_coordinates = item.at("legacy")},
        golden.truths);
    const EvalReport report = evaluator.evaluate(golden.found);
    // Sums of float32 there.
    EXPECT_NEAR(number(report, "map"), item.at("map").get<double>(), 1e-6) << item.dump();
    EXPECT_EQ(number(report, threshold == 0.5 ? "ap50" : "ap70"), number(report, "map"));
    if (threshold != 0.5) continue;
    ASSERT_EQ(report.curves.size(), 3u);  // of the other two classes nothing is to be found
    for (size_t k = 0; k < 3; ++k) {
      EXPECT_NEAR(report.curves[k].ap, item.at("ap")[k].get<double>(), 1e-6) << k;
    }
  }
}

TEST(VocEvaluator, TakesTheMeanOfItsThresholds) {
  const VocGolden golden;
  const EvalReport report =
      VocEvaluator({.iou_thr = {{0.5, 0.7}}}, golden.truths).evaluate(golden.found);
  EXPECT_EQ(names_of(report), (std::vector<std::string>{"map", "ap50", "ap70"}));
  EXPECT_NEAR(number(report, "map"), (number(report, "ap50") + number(report, "ap70")) / 2, 1e-15);
  EXPECT_EQ(report.mean_curve.recall.size(), 101u);
}

TEST(VocEvaluator, NothingAnnotatedAndNothingFound) {
  const VocGolden golden;
  EXPECT_EQ(number(VocEvaluator({}, golden.truths).evaluate({}), "map"), 0);
  EXPECT_EQ(number(VocEvaluator({}, EvalTruths{}).evaluate({}), "map"), 0);
  EXPECT_THROW(VocEvaluator({}, EvalTruths{}).evaluate(golden.found), DataError);
  EXPECT_THROW(VocEvaluator({.iou_thr = {{0}}}, golden.truths), UsageError);
  EXPECT_THROW(VocEvaluator({.metric = {{"bbox"}}}, golden.truths), UsageError);
}

}  // namespace
}  // namespace kestrel
