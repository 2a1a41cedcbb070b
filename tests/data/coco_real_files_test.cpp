// What COCO files of other tools have and COCO's own do not.
#include <gtest/gtest.h>

#include <kestrel/data/datasets/coco.h>
#include <kestrel/data/datasets/coco_index_cache.h>
#include <kestrel/data/datasets/coco_truths.h>
#include <kestrel/data/file.h>
#include <kestrel/detection/evaluation/coco_reader.h>
#include <kestrel/kernels/error.h>

#include "support.h"

namespace kestrel {
namespace {

using nlohmann::json;
using test::contains;
using test::error_of;
using test::Warnings;

json image_entry(const json& id, const std::string& name) {
  return {{"id", id}, {"file_name", name}, {"width", 64}, {"height", 48}};
}

json object_entry(const json& id, const json& image, const json& bbox) {
  return {{"id", id}, {"image_id", image}, {"category_id", 1}, {"bbox", bbox}};
}

using Entries = std::vector<json>;

json file_of(const Entries& images, const Entries& annotations) {
  return {{"images", images},
          {"annotations", annotations},
          {"categories", {{{"id", 1}, {"name", "thing"}}}}};
}

struct RealFile {
  test::TempDir dir;
  std::string path;
  explicit RealFile(const json& file, size_t size = 0) {
    std::string text = file.dump();
    text.resize(std::max(size, text.size()), ' ');
    path = dir.write("set.json", text);
  }
  CocoDataset open(bool test_mode = true, bool cache = true) const {
    return CocoDataset({.ann_file = path,
                        .img_prefix = dir.path().string(),
                        .test_mode = test_mode,
                        .index_cache = cache});
  }
};

const json kTextIds =
    file_of({image_entry("b-2", "b.png"), image_entry("a-10", "a.png"), image_entry(7, "c.png")},
            {object_entry("x", "a-10", {1, 2, 30, 40}), object_entry(5, "b-2", {3, 4, 20, 20}),
             object_entry("y", 7, {5, 6, 10, 10})});

void expect_text_ids(const CocoDataset& d) {
  ASSERT_EQ(d.size(), 3);
  EXPECT_EQ(d.info(0).id_text, "b-2");
  EXPECT_EQ(d.info(1).id_text, "a-10");
  EXPECT_EQ(d.info(2).id_text, "");
  EXPECT_EQ(d.info(2).id, 7);
  EXPECT_EQ(d.info(1).id, 8);  // after the numbers, in the order of the texts
  EXPECT_EQ(d.info(0).id, 9);
  ASSERT_EQ(d.annotations(0).size(), 1u);
  EXPECT_EQ(d.annotations(0)[0].id, 5);
  EXPECT_EQ(d.annotations(0)[0].bbox[0], 3);
  EXPECT_EQ(d.annotations(1)[0].bbox[0], 1);
  EXPECT_EQ(d.annotations(1)[0].id, 6);
  EXPECT_EQ(d.annotations(2)[0].id, 7);
}

TEST(CocoTextIds, OfImagesAndAnnotations) {
  const RealFile file(kTextIds);
  const Warnings warnings;
  expect_text_ids(file.open());
  EXPECT_EQ(warnings.count(), 0u);
}

TEST(CocoTextIds, AreInTheIndexCache) {
  const RealFile file(kTextIds, kSmallestCachedFile + 1);
  file.open();
  const auto cached = parse_index_cache(read_file("test", index_cache_path(file.path)));
  ASSERT_TRUE(cached);
  EXPECT_EQ(cached->index.image_id_text(0), "b-2");
  EXPECT_EQ(cached->index.image_id_text(2), "");
  expect_text_ids(file.open());
  expect_text_ids(file.open(true, false));
}

TEST(CocoTextIds, ResultsHaveThem) {
  const RealFile file(kTextIds);
  const CocoDataset d = file.open();
  std::vector<CocoEvalDetection> found;
  for (int64_t i = 0; i < d.size(); ++i) {
    found.push_back({.image_id = d.info(i).id,
                     .category_id = 1,
                     .score = 0.5,
                     .bbox = d.annotations(i)[0].bbox});
  }
  const std::string text = coco_results_json(found, CocoMetric::kBbox, coco_ids(d));
  const json results = json::parse(text);
  EXPECT_EQ(results[0]["image_id"], "b-2");
  EXPECT_EQ(results[1]["image_id"], "a-10");
  EXPECT_EQ(results[2]["image_id"], 7);
  // Both ways of evaluating find everything.
  EXPECT_EQ(evaluate_coco(coco_truths(d), found, CocoMetric::kBbox).ap(), 1);
  const std::string results_file = file.dir.write("results.json", text);
  EXPECT_EQ(evaluate_coco_files(file.path, results_file, CocoMetric::kBbox).ap(), 1);
  // With a byte order mark, too.
  file.dir.write("set.json", "\xEF\xBB\xBF" + kTextIds.dump());
  EXPECT_EQ(evaluate_coco_files(file.path, results_file, CocoMetric::kBbox).ap(), 1);
  file.dir.write("results.json", R"([{"image_id": "c-3", "category_id": 1, "score": 1,
                                     "bbox": [1, 2, 3, 4]}])");
  const std::string why =
      error_of<DataError>([&] { evaluate_coco_files(file.path, results_file, CocoMetric::kBbox); });
  EXPECT_TRUE(contains(why, "results[0]: image 'c-3' is not among the images")) << why;
}

TEST(CocoTextIds, TextAndNumbersAreDifferent) {
  const RealFile file(
      file_of({image_entry("1", "a.png"), image_entry(2, "b.png")},
              {object_entry(1, 1, {1, 2, 30, 40}), object_entry(2, "2", {1, 2, 3, 4}),
               object_entry(3, "1", {1, 2, 30, 40})}));
  const Warnings warnings;
  EXPECT_EQ(file.open().annotations(0).size(), 1u);
  EXPECT_TRUE(
      warnings.has({"annotation 1 of image 1: there is no such image with a number as its "
                    "id, but one with the text '1'; dropped"}));
  EXPECT_TRUE(
      warnings.has({"annotation 2 of image '2': there is no such image with text as its id, "
                    "but one with the number 2; dropped"}));
}

TEST(CocoTextIds, TwoAlikeAreTold) {
  const RealFile file(
      file_of({image_entry("a", "a.png"), image_entry("a", "b.png")},
              {object_entry("x", "a", {1, 2, 30, 40}), object_entry("x", "a", {1, 2, 30, 30}),
               object_entry("z", "b", {1, 2, 30, 30})}));
  const Warnings warnings;
  const CocoDataset d = file.open();
  EXPECT_EQ(d.size(), 1);
  EXPECT_EQ(d.annotations(0).size(), 2u);
  EXPECT_TRUE(warnings.has({"image 'a' (b.png) has the id of an earlier image; dropped"}));
  EXPECT_TRUE(warnings.has({"annotation 'x' of image 'a' has the id of an earlier annotation"}));
  EXPECT_TRUE(warnings.has({"annotation 'z' of image 'b': there is no such image; dropped"}));
}

TEST(CocoIndexVersions, AnOldCacheIsMadeAnewWithoutAWord) {
  const RealFile file(kTextIds, kSmallestCachedFile + 1);
  file.open();
  const auto cache = index_cache_path(file.path);
  auto bytes = read_file("test", cache);
  bytes[8] = std::byte{1};  // the version before
  write_file("test", cache, bytes);
  const Warnings warnings;
  expect_text_ids(file.open());
  EXPECT_EQ(warnings.count(), 0u);
  EXPECT_EQ(read_file("test", cache)[8], std::byte{2});
}

TEST(CocoBoxes, ThatReachPastTheImageAreTold) {
  const Entries images = {image_entry(1, "a.png"), image_entry(2, "b.png")};
  {
    const RealFile file(file_of(
        images, {object_entry(1, 1, {1, 2, 30, 40}), object_entry(2, 2, {40, 10, 25, 38.5})}));
    const Warnings warnings;
    EXPECT_EQ(file.open(false).num_past_edge(), 0);  // by a pixel is what annotators do
    EXPECT_EQ(warnings.count(), 0u);
  }
  const RealFile file(
      file_of(images, {object_entry(1, 1, {1, 2, 30, 40}), object_entry(2, 2, {-3, 10, 26, 5}),
                       object_entry(3, 2, {40, 10, 26, 5})}));
  const Warnings warnings;
  const CocoDataset d = file.open(false);
  EXPECT_EQ(d.num_past_edge(), 2);
  EXPECT_EQ(d.training_target(1).boxes.size(), 2u);  // trained on
  ASSERT_EQ(warnings.count(), 1u);
  EXPECT_TRUE(
      warnings.has({"2 of 3 boxes reach past their images, the first is [-3, 10, 26, 5] (x, "
                    "y, width, height) of annotation 2 in the 64x48 image ",
                    "b.png"}));
  EXPECT_FALSE(warnings.has({"are they x1, y1, x2, y2"}));
}

TEST(CocoBoxes, CornersByMistakeAreTold) {
  const RealFile file(file_of({image_entry(1, "a.png")}, {object_entry(1, 1, {10, 12, 30, 40}),
                                                          object_entry(2, 1, {30, 20, 60, 44})}));
  const Warnings warnings;
  EXPECT_EQ(file.open(false).num_past_edge(), 2);
  EXPECT_TRUE(
      warnings.has({"2 of 2 boxes", "are they x1, y1, x2, y2 and not x, y, width, height?"}));
}

TEST(CocoImages, WithoutObjectsAreCounted) {
  json small = image_entry(3, "c.png");
  small["height"] = 31;
  const RealFile file(file_of({image_entry(1, "a.png"), image_entry(2, "b.png"), small},
                              {object_entry(1, 1, {1, 2, 30, 40})}));
  const CocoDataset d = file.open(false);
  EXPECT_EQ(d.left_out().empty, 1);
  EXPECT_EQ(d.left_out().small, 1);
  EXPECT_TRUE(d.leaves_out_empty());
  EXPECT_EQ(
      d.describe_images("training images"),
      "1 training images (1 more without an object left out, 1 more under 32 pixels left out)");
}

TEST(CocoImages, AValidationSetWithoutAnObjectIsToldOf) {
  const RealFile file(file_of({image_entry(1, "a.png")}, {}));
  const Warnings warnings;
  EXPECT_EQ(file.open().size(), 1);
  EXPECT_TRUE(warnings.has(
      {"set.json: none of the 1 images has an object of the 1 classes: AP cannot be computed"}));
}

}  // namespace
}  // namespace kestrel
