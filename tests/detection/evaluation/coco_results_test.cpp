#include <kestrel/detection/evaluation/coco_results.h>

#include <random>

#include <gtest/gtest.h>

#include <kestrel/detection/evaluation/coco_reader.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

Detections some_detections() {
  return {.boxes = Tensor::from<float>({1.1f, 2.2f, 30.3f, 40.4f, 5, 6, 7.7f, 8}, Shape{2, 4}),
          .scores = Tensor::from<float>({.9f, .1f}, Shape{2}),
          .labels = Tensor::from<int64_t>({1, 0}, Shape{2})};
}

EvalTruths some_truths() {
  return {.images = {{7, 50, 60}},
          .categories = {{18, "dog"}, {17, "cat"}},
          .annotations = {
              {.id = 1, .image_id = 7, .category_id = 17, .bbox = {1, 2, 25, 39}, .mask = {}}}};
}

TEST(CocoResults, LabelsBecomeCategoriesAndCornersSizes) {
  std::vector<CocoEvalDetection> results;
  append_coco_detections(some_detections(), 7, std::array<int64_t, 2>{18, 17}, results);
  ASSERT_EQ(results.size(), 2);
  EXPECT_EQ(results[0].category_id, 17);
  EXPECT_EQ(results[0].image_id, 7);
  EXPECT_EQ(results[0].score, .9f);
  EXPECT_EQ(results[0].bbox[2], double{30.3f} - double{1.1f});
  EXPECT_EQ(results[1].category_id, 18);
  EXPECT_THROW(append_coco_detections(some_detections(), 7, std::array<int64_t, 1>{18}, results),
               Error);
}

TEST(CocoResults, BoxesReadBackAsTheSameDoubles) {
  std::vector<CocoEvalDetection> results;
  append_coco_detections(some_detections(), 7, std::array<int64_t, 2>{18, 17}, results);
  const auto truths = some_truths();
  const auto read = parse_coco_results(coco_results_json(results), truths, CocoMetric::kBbox);
  ASSERT_EQ(read.size(), results.size());
  for (size_t i = 0; i < read.size(); ++i) {
    EXPECT_EQ(read[i].bbox, results[i].bbox);
    EXPECT_EQ(read[i].score, results[i].score);
    EXPECT_EQ(read[i].category_id, results[i].category_id);
  }
  EXPECT_EQ(evaluate_coco(truths, read, CocoMetric::kBbox).precision,
            evaluate_coco(truths, results, CocoMetric::kBbox).precision);
  EXPECT_EQ(coco_results_json({}), "[]\n");
}

TEST(CocoResults, MasksReadBack) {
  std::mt19937 random(1);
  const auto truths = some_truths();
  std::vector<CocoEvalDetection> results;
  for (int i = 0; i < 50; ++i) {
    std::vector<uint8_t> pixels(50 * 60);
    for (auto& pixel : pixels) pixel = random() % 3 == 0;
    results.push_back(
        {.image_id = 7, .category_id = 17, .score = .5, .mask = mask_from_pixels(pixels, 50, 60)});
  }
  const std::string json = coco_results_json(results, CocoMetric::kSegm);
  ASSERT_NE(json.find("\\\\"), std::string::npos) << "there must be a backslash to escape";
  const auto read = parse_coco_results(json, truths, CocoMetric::kSegm);
  ASSERT_EQ(read.size(), results.size());
  for (size_t i = 0; i < read.size(); ++i) EXPECT_EQ(read[i].mask, results[i].mask);
}

}  // namespace
}  // namespace kestrel
