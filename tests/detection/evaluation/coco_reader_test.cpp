#include <kestrel/detection/evaluation/coco_reader.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include <kestrel/kernels/error.h>

#include "../../support/error_of.h"

namespace kestrel {
namespace {

constexpr auto kBbox = CocoMetric::kBbox;
constexpr auto kSegm = CocoMetric::kSegm;

std::string truths_with(const std::string& annotations) {
  return R"({"annotations": [)" + annotations +
         R"(], "info": {"x": [1, {}]}, "images": [{"id": 7, "height": 10, "width": 20}],
           "categories": [{"id": 3, "name": "bird", "supercategory": "animal"}]})";
}

std::string truth_error(const std::string& json, CocoMetric metric = kBbox) {
  return test::error_of<DataError>([&] { parse_coco_truths(json, metric, "gt.json"); });
}

std::string annotation_error(const std::string& annotation, CocoMetric metric = kBbox) {
  return truth_error(truths_with(annotation), metric);
}

std::string result_error(const std::string& json, CocoMetric metric = kBbox) {
  const auto truths = parse_coco_truths(truths_with(""), metric, "gt.json");
  return test::error_of<DataError>([&] { parse_coco_results(json, truths, metric, "dt.json"); });
}

TEST(CocoReader, ReadsAnnotationsInAnyOrderOfFields) {
  const auto truths = parse_coco_truths(
      truths_with(R"({"bbox": [1, 2, 3.5, 4], "iscrowd": 1, "id": 5, "segmentation": [["x"]],
                      "category_id": 3, "image_id": 7, "ignore": 1, "area": 12.25})"),
      kBbox);
  ASSERT_EQ(truths.annotations.size(), 1);
  const EvalTruth& t = truths.annotations[0];
  EXPECT_EQ(t.id, 5);
  EXPECT_EQ(t.image_id, 7);
  EXPECT_EQ(t.category_id, 3);
  EXPECT_EQ(t.bbox, (std::array<double, 4>{1, 2, 3.5, 4}));
  EXPECT_EQ(t.area, 12.25);
  EXPECT_TRUE(t.crowd);
  EXPECT_EQ(truths.images[0].width, 20);
  EXPECT_EQ(truths.categories[0].name, "bird");
}

TEST(CocoReader, AreaAndCrowdMayBeAbsent) {
  const auto truths = parse_coco_truths(
      truths_with(R"({"id": 1, "image_id": 7, "category_id": 3, "bbox": [0, 0, 40, 40]})"), kBbox);
  EXPECT_FALSE(truths.annotations[0].area);
  EXPECT_FALSE(truths.annotations[0].crowd);
  const auto stats = evaluate_coco(truths, {}, kBbox).stats;
  EXPECT_EQ(stats[3], -1);
  EXPECT_EQ(stats[4], 0);
}

TEST(CocoReader, ReadsEveryKindOfSegmentation) {
  const auto truths = parse_coco_truths(
      truths_with(R"(
        {"id": 1, "image_id": 7, "category_id": 3, "segmentation": [[2, 1, 2, 5, 9, 5, 9, 1]]},
        {"id": 2, "image_id": 7, "category_id": 3,
         "segmentation": {"size": [10, 20], "counts": [21, 4, 6, 4, 6, 4, 6, 4, 6, 4, 6, 4, 6, 4, 115]}},
        {"id": 3, "image_id": 7, "category_id": 3, "segmentation": {"counts": ")" +
                  mask_to_string({10, 20, {21, 4, 6, 4, 6, 4, 6, 4, 6, 4, 6, 4, 6, 4, 115}}) +
                  R"(", "size": [10, 20]}})"),
      kSegm);
  for (const EvalTruth& t : truths.annotations)
    EXPECT_EQ(mask_iou(t.mask, truths.annotations[0].mask), 1);
  EXPECT_EQ(mask_area(truths.annotations[0].mask), 28);
}

TEST(CocoReader, MaskResultsGiveTheirBoxAndArea) {
  const auto truths = parse_coco_truths(truths_with(""), kBbox);
  const auto results = parse_coco_results(
      R"([{"image_id": 7, "category_id": 3, "score": 1, "segmentation": [[2, 1, 2, 5, 9, 5, 9, 1]]}])",
      truths, kBbox);
  EXPECT_EQ(results[0].bbox, (std::array<double, 4>{2, 1, 7, 4}));
  EXPECT_EQ(results[0].area, 28);
}

TEST(CocoReader, BoxResultsAreTheirOwnMasks) {
  const auto truths = parse_coco_truths(truths_with(""), kSegm);
  const auto results = parse_coco_results(
      R"([{"image_id": 7, "category_id": 3, "score": 1, "bbox": [2, 1, 7, 4]}])", truths, kSegm);
  EXPECT_EQ(mask_area(results[0].mask), 28);
}

TEST(CocoReader, EmptyResultsAreLegal) {
  const auto truths = parse_coco_truths(truths_with(""), kBbox);
  EXPECT_TRUE(parse_coco_results("[]", truths, kBbox).empty());
  EXPECT_TRUE(parse_coco_results(" [ ] \n", truths, kBbox).empty());
}

TEST(CocoReader, BrokenAnnotationsAreNamed) {
  EXPECT_EQ(
      truth_error("[1]"),
      "[coco] gt.json: annotations must be an object with images, categories and annotations");
  EXPECT_EQ(truth_error("{}"), "[coco] gt.json: has no images");
  EXPECT_EQ(truth_error(R"({"images": []})"), "[coco] gt.json: has no categories");
  EXPECT_EQ(truth_error(R"({"images": 3, "categories": []})"),
            "[coco] gt.json: images must be a list, got 3");
  EXPECT_EQ(truth_error(R"({"images": [{"id": 1.5}], "categories": []})"),
            "[coco] gt.json: images[0]: id must be an integer, got 1.5");
  EXPECT_EQ(truth_error(R"({"images": [{}], "categories": []})"),
            "[coco] gt.json: images[0]: has no id");
  EXPECT_EQ(annotation_error("17"), "[coco] gt.json: annotations[0]: must be an object, got 17");
  EXPECT_EQ(annotation_error(R"({"id": 1, "image_id": 7})"),
            "[coco] gt.json: annotations[0]: has no category_id");
  EXPECT_EQ(annotation_error(R"({"id": 1, "image_id": 7, "category_id": 3})"),
            "[coco] gt.json: annotations[0]: has no bbox");
  EXPECT_EQ(annotation_error(R"({"id": 1.5})"),
            "[coco] gt.json: annotations[0]: id must be an integer, got 1.5");
  EXPECT_EQ(annotation_error(R"({"bbox": [1, 2, 3]})"),
            "[coco] gt.json: annotations[0]: bbox must be [x, y, width, height], got 3 numbers");
  EXPECT_EQ(annotation_error(R"({"bbox": [1, 2, null, 4]})"),
            "[coco] gt.json: annotations[0]: number of a bbox must be a number, got null");
  EXPECT_EQ(annotation_error(R"({"area": "big"})"),
            "[coco] gt.json: annotations[0]: area must be a number, got \"big\"");
  EXPECT_EQ(annotation_error(R"({"iscrowd": "no"})"),
            "[coco] gt.json: annotations[0]: iscrowd must be 0 or 1, got \"no\"");
}

TEST(CocoReader, BrokenSegmentationsAreNamed) {
  const auto error = [](const std::string& segmentation) {
    return annotation_error(
        R"({"id": 1, "image_id": 7, "category_id": 3, "segmentation": )" + segmentation + "}",
        kSegm);
  };
  const std::string at = "[coco] gt.json: annotations[0]: ";
  EXPECT_EQ(error("[[1, 2, 3, 4]]"),
            at + "[mask] a polygon is an even count of at least 6 numbers, got 4");
  EXPECT_EQ(error("[]"), at + "[mask] a list of polygons must not be empty");
  EXPECT_EQ(error("[1, 2, 3, 4, 5, 6]"), at + "polygon of segmentation must be a list, got 1");
  EXPECT_EQ(error("\"abc\""), at + "segmentation must be polygons or run lengths, got \"abc\"");
  EXPECT_EQ(error(R"({"counts": [200]})"), at + "a run-length segmentation needs size and counts");
  EXPECT_EQ(error(R"({"counts": [200], "size": [10]})"),
            at + "segmentation size must be [height, width], got 1 numbers");
  EXPECT_EQ(error(R"({"counts": [199], "size": [10, 20]})"),
            at + "[mask] run lengths add up to 199, but 10 x 20 is 200 pixels");
  EXPECT_EQ(error(R"({"counts": "  ", "size": [10, 20]})"),
            at + "[mask] character 0 of compressed counts has code 32; it must be from '0' to 'o'");
  EXPECT_EQ(annotation_error(R"({"id": 1, "image_id": 7, "category_id": 3})", kSegm),
            at + "has no segmentation");
}

TEST(CocoReader, BrokenResultsAreNamed) {
  const std::string at = "[coco] dt.json: results[0]: ";
  EXPECT_EQ(result_error("{}"), "[coco] dt.json: results must be a list of objects");
  EXPECT_EQ(result_error("[[]]"), at + "must be an object, got [");
  EXPECT_EQ(
      result_error(R"([{"image_id": 8, "category_id": 3, "score": 1, "bbox": [1, 2, 3, 4]}])"),
      at + "image 8 is not among the images of gt.json");
  EXPECT_EQ(result_error(R"([{"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4]}])"),
            at + "has no score");
  EXPECT_EQ(result_error(R"([{"image_id": 7, "category_id": 3, "score": "high"}])"),
            at + "score must be a number, got \"high\"");
  EXPECT_EQ(result_error(R"([{"image_id": 7, "category_id": 3, "score": 1}])"),
            at + "has neither bbox nor segmentation");
  EXPECT_EQ(result_error(R"([{"image_id": 7, "category_id": 3, "score": 1, "bbox": [1, 2, 3, 4]},
                             {"image_id": 7, "category_id": 3, "score": 1}])"),
            "[coco] dt.json: results[1]: has no bbox, but the first result has one");
}

TEST(CocoReader, BrokenJsonIsAnError) {
  const std::string good =
      R"([{"image_id": 7, "category_id": 3, "score": 1, "bbox": [1, 2, 3, 4]}])";
  EXPECT_EQ(result_error(good), "");
  for (size_t length = 0; length < good.size(); ++length)
    EXPECT_NE(result_error(good.substr(0, length)), "") << length;
  for (const char* text : {"", " ", "nope", "[}", "[1,]", "[] []", "[{\"score\": NaN}]",
                           "[{\"score\": 1e999}]", "[{\"score\" 1}]", "[\xff]"})
    EXPECT_NE(result_error(text), "") << text;
  const std::string truths = truths_with("");
  for (size_t length = 0; length < truths.size(); ++length)
    EXPECT_NE(truth_error(truths.substr(0, length)), "") << length;
}

TEST(CocoReader, ReadsFiles) {
  const auto folder = std::filesystem::temp_directory_path() / "kestrel_coco_reader_test";
  std::filesystem::create_directories(folder);
  const std::string gt = folder / "gt.json", dt = folder / "dt.json";
  std::ofstream(gt) << truths_with(
      R"({"id": 1, "image_id": 7, "category_id": 3, "bbox": [0, 0, 9, 9]})");
  std::ofstream(dt) << R"([{"image_id": 7, "category_id": 3, "score": 1, "bbox": [0, 0, 9, 9]}])";
  EXPECT_NEAR(evaluate_coco_files(gt, dt, kBbox).ap(), 1, 1e-15);
  const std::string missing = folder / "missing.json";
  EXPECT_EQ(test::error_of<DataError>([&] {
              evaluate_coco_files(missing, dt, kBbox);
            }).find("[coco] " + missing + ": cannot be read"),
            0);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace kestrel
