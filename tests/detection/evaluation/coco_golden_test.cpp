// All twelve numbers of 500 sets against pycocotools' own (tests/golden/coco_eval.py).
#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <kestrel/detection/evaluation/coco_reader.h>

#include "coco_sets.h"

namespace kestrel {
namespace {

nlohmann::json golden() {
  std::ifstream file(KESTREL_TEST_DIR "/golden/data/coco_eval.json");
  return file ? nlohmann::json::parse(file) : nlohmann::json();
}

CocoEvalResult evaluate_set(const test::CocoSet& set, CocoMetric metric,
                            const CocoEvalLimits& limits = {}) {
  const EvalTruths truths = parse_coco_truths(set.truths, metric);
  return evaluate_coco(truths, parse_coco_results(set.results, truths, metric), metric, limits);
}

void compare(CocoMetric metric) {
  const nlohmann::json expected = golden()[to_string(metric)];
  ASSERT_EQ(expected.size(), test::kCocoSets);
  int told_apart = 0;
  for (int index = 0; index < test::kCocoSets; ++index) {
    const CocoEvalResult result = evaluate_set(test::make_coco_set(index), metric);
    for (int i = 0; i < 12; ++i)
      EXPECT_EQ(result.stats[i], expected[index][i].get<double>())
          << "set " << index << ", " << coco_stat_names()[i];
    told_apart += result.ap() > 0 && result.ap() < 1;
  }
  EXPECT_GT(told_apart, test::kCocoSets / 2) << "most sets must be neither all right nor all wrong";
}

// Writes the sets for tests/golden/coco_eval.py when asked to; otherwise checks that they parse.
TEST(CocoGolden, SetsAreWritten) {
  const char* folder = std::getenv("KESTREL_WRITE_COCO_SETS");
  for (int index = 0; index < test::kCocoSets; ++index) {
    const test::CocoSet set = test::make_coco_set(index);
    ASSERT_TRUE(nlohmann::json::accept(set.truths));
    ASSERT_TRUE(nlohmann::json::accept(set.results));
    if (!folder) continue;
    const std::string stem = std::string(folder) + '/' + std::to_string(index);
    std::ofstream(stem + "_truths.json") << set.truths;
    std::ofstream(stem + "_results.json") << set.results;
  }
}

TEST(CocoGolden, BoxNumbersAreBitExact) {
  compare(CocoMetric::kBbox);
}

TEST(CocoGolden, MaskNumbersAreBitExact) {
  compare(CocoMetric::kSegm);
}

TEST(CocoGolden, ClassesProposalsAndOtherLimitsAreBitExact) {
  const nlohmann::json expected = golden();
  size_t row = 0;
  for (int index = 0; index < 300; ++index) {
    if (index % 3 == 2) continue;  // results without boxes
    const test::CocoSet set = test::make_coco_set(index);
    EXPECT_EQ(evaluate_set(set, CocoMetric::kBbox).class_ap,
              expected["classes"][row].get<std::vector<double>>())
        << "set " << index;
    const auto proposals = evaluate_set(set, CocoMetric::kBbox,
                                        {.class_agnostic = true, .max_detections = {2, 10, 1000}});
    EXPECT_EQ(std::vector(proposals.stats.begin() + 6, proposals.stats.end()),
              expected["proposals"][row].get<std::vector<double>>())
        << "set " << index;
    const auto custom = evaluate_set(set, CocoMetric::kBbox,
                                     {.max_detections = {3, 20, 100},
                                      .iou_thresholds = {.3, .5, .625, .9},
                                      .area_bounds = {400, 2000}});
    EXPECT_EQ(std::vector(custom.stats.begin(), custom.stats.end()),
              expected["custom"][row].get<std::vector<double>>())
        << "set " << index;
    ++row;
  }
  EXPECT_EQ(row, 200u);
  EXPECT_EQ(expected["custom"].size(), row);
}

TEST(CocoGolden, PolygonsBecomeTheSameRuns) {
  const nlohmann::json cases = golden()["polygons"];
  ASSERT_EQ(cases.size(), 60);
  for (const auto& c : cases) {
    const RleMask mask =
        mask_from_polygon(c["polygon"].get<std::vector<double>>(), c["height"], c["width"]);
    EXPECT_EQ(mask_to_string(mask), c["counts"].get<std::string>()) << c;
    EXPECT_EQ(mask_area(mask), c["area"].get<int64_t>());
    EXPECT_EQ(mask_box(mask), (c["box"].get<std::array<double, 4>>()));
  }
}

}  // namespace
}  // namespace kestrel
