#include <gtest/gtest.h>

#include <kestrel/data/datasets/coco.h>
#include <kestrel/kernels/error.h>

#include "support.h"

namespace kestrel {
namespace {

using nlohmann::json;
using test::contains;
using test::error_of;
using test::Warnings;

// Two images of 100x80, ids 7 and 3 in this order, with categories 5 'dog' and 2 'cat'.
json good_file() {
  return json::parse(R"({
    "images": [{"id": 7, "file_name": "b.jpg", "width": 100, "height": 80},
               {"id": 3, "file_name": "a.jpg", "width": 80, "height": 100}],
    "categories": [{"id": 5, "name": "dog"}, {"id": 2, "name": "cat"}],
    "annotations": [
      {"id": 1, "image_id": 3, "category_id": 2, "bbox": [10, 20, 30, 40], "area": 700.5, "iscrowd": 0,
       "segmentation": [[10, 20, 40, 20, 40, 60]]},
      {"id": 2, "image_id": 7, "category_id": 5, "bbox": [0.5, 0.25, 10, 10], "area": 100, "iscrowd": 0},
      {"id": 3, "image_id": 7, "category_id": 5, "bbox": [5, 5, 50, 50], "area": 2500, "iscrowd": 1,
       "segmentation": {"size": [80, 100], "counts": [10, 20, 7970]}}]})");
}

struct CocoTree {
  test::TempDir dir;

  CocoDataset open(const json& file, CocoDatasetOptions options = {}) const {
    return open_text(file.dump(), std::move(options));
  }
  CocoDataset open_text(const std::string& text, CocoDatasetOptions options = {}) const {
    dir.write("ann.json", text);
    std::filesystem::create_directories(dir / "images");
    options.data_root = dir.path().string();
    options.ann_file = "ann.json";
    options.img_prefix = "images";
    return CocoDataset(options);
  }
};

TEST(Coco, KeepsTheOrderOfTheFile) {
  const CocoTree tree;
  const Warnings warnings;
  const CocoDataset d = tree.open(good_file(), {.with_mask = true});
  EXPECT_EQ(warnings.count(), 0u);
  ASSERT_EQ(d.size(), 2);
  EXPECT_EQ(d.info(0).id, 7);
  EXPECT_EQ(d.info(0).file, (tree.dir / "images/b.jpg").string());
  EXPECT_EQ(d.class_names(), (std::vector<std::string>{"dog", "cat"}));
  EXPECT_EQ(d.category_id(1), 2);
  EXPECT_EQ(d.group(0), 1);
  EXPECT_EQ(d.group(1), 0);
  const auto objects = d.annotations(0);
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_EQ(objects[0].id, 2);
  EXPECT_EQ(objects[0].label, 0);
  EXPECT_EQ(objects[0].box(), (Box{0.5F, 0.25F, 10.5F, 10.25F}));
  EXPECT_TRUE(objects[1].crowd);
  EXPECT_EQ(objects[1].segmentation->counts, (std::vector<uint32_t>{10, 20, 7970}));
  EXPECT_EQ(d.annotations(1)[0].segmentation->polygons[0].size(), 6u);
  EXPECT_EQ(d.annotations(1)[0].area, 700.5);
  const TrainingTarget target = d.training_target(0);
  EXPECT_EQ(target.boxes.size(), 1u);
  EXPECT_EQ(target.ignored.size(), 1u);
}

TEST(Coco, ClassesMayBeChosen) {
  const CocoTree tree;
  const CocoDataset both = tree.open(good_file(), {.classes = {"cat", "dog"}});
  EXPECT_EQ(both.class_names()[0], "cat");
  EXPECT_EQ(both.category_id(0), 2);
  EXPECT_EQ(both.annotations(0)[0].label, 1);
  const CocoDataset cats = tree.open(good_file(), {.classes = {"cat"}});
  ASSERT_EQ(cats.size(), 1);  // the image without cats is left out
  EXPECT_EQ(cats.annotations(0)[0].label, 0);
  EXPECT_EQ(cats.category_id(0), 2);
  EXPECT_EQ(tree.open(good_file(), {.classes = {"cat"}, .test_mode = true}).size(), 2);
  EXPECT_EQ(tree.open(good_file(), {.classes = {"cat"}, .filter_empty_gt = false}).size(), 2);
  const std::string why = error_of<DataError>([&] {
    tree.open(good_file(), {.classes = {"cat", "cow"}});
  });
  EXPECT_TRUE(contains(why, "ann.json: has no class 'cow'; there are 'dog', 'cat'")) << why;
}

TEST(Coco, TheNearestClassComesFirst) {
  const CocoTree tree;
  const std::string why =
      error_of<DataError>([&] { tree.open(good_file(), {.classes = {"cta"}}); });
  EXPECT_TRUE(contains(why, "no class 'cta'; there are 'cat', 'dog'")) << why;
}

TEST(Coco, NothingToTrainOnIsAnError) {
  const CocoTree tree;
  json file = good_file();
  for (json& a : file["annotations"]) a["ignore"] = 1;
  const std::string why = error_of<DataError>([&] { tree.open(file); });
  EXPECT_TRUE(contains(why, "none of the 2 images has an object to train on")) << why;
  EXPECT_EQ(tree.open(file, {.test_mode = true}).size(), 2);
  file["annotations"] = json::array();
  EXPECT_THROW(tree.open(file, {.filter_empty_gt = false}), DataError);
}

TEST(Coco, SmallImagesAreForTestsOnly) {
  const CocoTree tree;
  json file = good_file();
  file["images"][0]["height"] = 31;
  EXPECT_EQ(tree.open(file).size(), 1);
  EXPECT_EQ(tree.open(file, {.test_mode = true}).size(), 2);
}

// MMDetection keeps images with crowds only; they have nothing to train on.
TEST(Coco, CrowdsCountAsObjectsOfAnImage) {
  const CocoTree tree;
  json file = good_file();
  file["annotations"].erase(1);
  const CocoDataset d = tree.open(file);
  ASSERT_EQ(d.size(), 2);
  EXPECT_TRUE(d.training_target(0).boxes.empty());
}

struct BadCoco {
  std::string name, pointer, value;  // the value at the JSON pointer becomes this
  std::vector<std::string> warning;  // parts of the warning
  size_t objects;                    // annotations left in both images together
  size_t trainable;
};

void PrintTo(const BadCoco& bad, std::ostream* out) {
  *out << bad.name;
}

const std::vector<BadCoco> kBadCoco = {
    {"zero_width",
     "/annotations/0/bbox",
     "[10, 20, 0, 40]",
     {"annotation 1 of image 3 has width 0; dropped"},
     3,
     1},
    {"negative_height",
     "/annotations/0/bbox",
     "[10, 20, 5, -4]",
     {"annotation 1 of image 3 has height -4"},
     3,
     1},
    {"half_a_pixel",
     "/annotations/0/bbox",
     "[10, 20, 0.5, 9]",
     {"annotation 1", "width 0.5"},
     3,
     1},
    {"no_area", "/annotations/0/area", "0", {"annotation 1 of image 3 has area 0"}, 3, 1},
    {"outside_right",
     "/annotations/0/bbox",
     "[80, 20, 5, 5]",
     {"annotation 1", "[80, 20, 5, 5] outside the 80x100"},
     3,
     1},
    {"outside_above", "/annotations/0/bbox", "[8, -20, 5, 5]", {"annotation 1", "outside"}, 3, 1},
    {"three_numbers",
     "/annotations/0/bbox",
     "[1, 2, 3]",
     {"annotation 1 of image 3: bbox is not 4"},
     2,
     1},
    {"five_numbers", "/annotations/0/bbox", "[1, 2, 3, 4, 5]", {"annotation 1", "bbox"}, 2, 1},
    {"text_in_bbox", "/annotations/0/bbox", R"([1, "2", 3, 4])", {"annotation 1", "bbox"}, 2, 1},
    {"null_in_bbox", "/annotations/0/bbox", "[1, null, 3, 4]", {"annotation 1", "bbox"}, 2, 1},
    {"bbox_is_object", "/annotations/0/bbox", R"({"x": 1})", {"annotation 1", "bbox"}, 2, 1},
    {"bbox_is_null", "/annotations/0/bbox", "null", {"annotation 1", "null"}, 2, 1},
    {"nested_bbox", "/annotations/0/bbox", "[[1, 2, 3, 4]]", {"annotation 1", "bbox"}, 2, 1},
    {"empty_bbox", "/annotations/0/bbox", "[]", {"annotation 1", "bbox"}, 2, 1},
    {"unknown_category",
     "/annotations/0/category_id",
     "99",
     {"annotation 1 of image 3 has category_id 99"},
     2,
     1},
    {"text_category",
     "/annotations/0/category_id",
     R"("2")",
     {"annotation 1", "category_id"},
     2,
     1},
    {"unknown_image",
     "/annotations/0/image_id",
     "99",
     {"annotation 1 of image 99: there is no such image"},
     2,
     1},
    {"text_image",
     "/annotations/0/image_id",
     R"("3")",
     {"annotation 1 of image '3': there is no such image with text as its id, but one with the "
      "number 3"},
     2,
     1},
    {"fraction_id", "/annotations/0/id", "1.5", {"annotation entry 0 has no id"}, 2, 1},
    {"list_as_id", "/annotations/0/id", "[1]", {"annotation entry 0 has no id"}, 2, 1},
    {"annotation_is_number",
     "/annotations/0",
     "17",
     {"annotations entry 0 is not an object"},
     2,
     1},
    {"annotation_is_list",
     "/annotations/0",
     "[1, [2]]",
     {"annotations entry 0 is not an object"},
     2,
     1},
    {"annotation_is_empty", "/annotations/0", "{}", {"annotation entry 0 has no id"}, 2, 1},
    {"same_id_twice",
     "/annotations/0/id",
     "2",
     {"annotation 2 of image 7 has the id of an earlier"},
     3,
     2},
    {"image_without_name", "/images/1/file_name", "null", {"image 3 has no file_name"}, 2, 1},
    {"image_with_empty_name", "/images/1/file_name", R"("")", {"image 3 has no file_name"}, 2, 1},
    {"image_without_id", "/images/1/id", "null", {"image entry 1 has no id"}, 2, 1},
    {"image_is_text", "/images/1", R"("a.jpg")", {"images entry 1 is not an object"}, 2, 1},
    {"image_twice", "/images/1/id", "7", {"image 7 (a.jpg) has the id of an earlier image"}, 2, 1},
    {"image_without_size", "/images/1/width", "0", {"image 3 has no width", "a.jpg"}, 2, 1},
    {"category_twice",
     "/categories/1/id",
     "5",
     {"category 5 'cat' has the id of an earlier"},
     2,
     1},
    {"category_without_name", "/categories/1/name", "7", {"category 2 has no name"}, 2, 1},
    {"category_without_id", "/categories/1/id", R"("x")", {"category entry 1 has no id"}, 2, 1},
    {"short_polygon",
     "/annotations/0/segmentation",
     "[[1, 2, 3, 4]]",
     {"annotation 1", "segmentation"},
     3,
     2},
    {"odd_polygon",
     "/annotations/0/segmentation",
     "[[1, 2, 3, 4, 5, 6, 7]]",
     {"annotation 1", "segmentation"},
     3,
     2},
    {"text_segmentation",
     "/annotations/0/segmentation",
     R"("abc")",
     {"annotation 1", "segmentation"},
     3,
     2},
    {"run_lengths_without_size",
     "/annotations/2/segmentation",
     R"({"counts": [1, 2]})",
     {"annotation 3", "segmentation"},
     3,
     2},
    {"negative_run",
     "/annotations/2/segmentation",
     R"({"size": [8, 8], "counts": [-1, 65]})",
     {"annotation 3", "segmentation"},
     3,
     2},
};

class CocoBad : public testing::TestWithParam<BadCoco> {};

TEST_P(CocoBad, ItemIsNamedAndTheRestIsKept) {
  const BadCoco& bad = GetParam();
  const CocoTree tree;
  json file = good_file();
  file[json::json_pointer(bad.pointer)] = json::parse(bad.value);
  const Warnings warnings;
  const CocoDataset d = tree.open(file, {.test_mode = true, .with_mask = true});
  std::vector<std::string> parts = bad.warning;
  parts.push_back("[coco] ");
  parts.push_back("ann.json");
  EXPECT_TRUE(warnings.has(parts)) << (warnings.count() ? warnings.texts()[0] : "no warning");
  size_t objects = 0, trainable = 0;
  for (int64_t i = 0; i < d.size(); ++i) {
    objects += d.annotations(i).size();
    trainable += d.training_target(i).boxes.size();
  }
  EXPECT_EQ(objects, bad.objects);
  EXPECT_EQ(trainable, bad.trainable);
}

TEST_P(CocoBad, IsAnErrorWhenStrict) {
  const BadCoco& bad = GetParam();
  const CocoTree tree;
  json file = good_file();
  file[json::json_pointer(bad.pointer)] = json::parse(bad.value);
  const Warnings warnings;
  const std::string why =
      error_of<DataError>([&] { tree.open(file, {.test_mode = true, .strict = true}); });
  // What can be kept is only noted.
  const bool kept = bad.objects == 3 && bad.trainable == 2;
  EXPECT_EQ(why.empty(), kept) << why;
  if (!kept) {
    EXPECT_TRUE(contains(why, bad.warning[0].substr(0, bad.warning[0].find("; dropped")))) << why;
  }
}

INSTANTIATE_TEST_SUITE_P(Items, CocoBad, testing::ValuesIn(kBadCoco),
                         [](const auto& test) { return test.param.name; });

TEST(Coco, IgnoredObjectsAreKeptForEvaluationOnly) {
  const CocoTree tree;
  json file = good_file();
  file["annotations"][1]["ignore"] = 1;
  const Warnings warnings;
  const CocoDataset d = tree.open(file);
  EXPECT_EQ(warnings.count(), 0u);
  EXPECT_TRUE(d.training_target(0).boxes.empty());
  EXPECT_EQ(d.annotations(0).size(), 2u);
}

TEST(Coco, NumbersMayBeWrittenAsOtherToolsDo) {
  const CocoTree tree;
  json file = good_file();
  file["annotations"][0]["image_id"] = 3.0;
  file["annotations"][0]["iscrowd"] = false;
  file["annotations"][0].erase("area");
  file["annotations"][2]["iscrowd"] = true;
  const Warnings warnings;
  const CocoDataset d = tree.open(file);
  EXPECT_EQ(warnings.count(), 0u);
  EXPECT_EQ(d.annotations(1)[0].area, 1200);
  EXPECT_EQ(d.training_target(0).ignored.size(), 1u);
}

TEST(Coco, KeysMayComeInAnyOrder) {
  const CocoTree tree;
  const json file = good_file();
  const CocoDataset d =
      tree.open_text("{\"annotations\": " + file["annotations"].dump() +
                     ", \"licenses\": [{}], \"categories\": " + file["categories"].dump() +
                     ", \"images\": " + file["images"].dump() + "}");
  EXPECT_EQ(d.annotations(0).size(), 2u);
}

TEST(Coco, NonFiniteNumbersSpoilOnlyTheirAnnotation) {
  const CocoTree tree;
  for (const char* number : {"NaN", "Infinity", "1e999"}) {
    std::string text = good_file().dump();
    const std::string old = "[10,20,30,40]";
    const size_t at = text.find(old);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, old.size(), "[10,20," + std::string(number) + ",40]");
    const Warnings warnings;
    try {
      const CocoDataset d = tree.open_text(text, {.test_mode = true});
      EXPECT_TRUE(warnings.has({"annotation 1 of image 3: bbox is not 4 finite numbers"}))
          << number;
      EXPECT_EQ(d.annotations(1).size(), 0u);
      EXPECT_EQ(d.annotations(0).size(), 2u);
    } catch (const DataError& error) {
      EXPECT_TRUE(contains(error.what(), "ann.json")) << error.what();
      ADD_FAILURE() << number << ": " << error.what();
    }
  }
}

TEST(Coco, SaysWhyAFileIsNotUsable) {
  const CocoTree tree;
  const auto why = [&](const std::string& text) {
    return error_of<DataError>([&] { tree.open_text(text); });
  };
  EXPECT_TRUE(contains(why(""), "ann.json: the file is empty"));
  EXPECT_TRUE(contains(why("hello"), "ann.json")) << why("hello");
  EXPECT_TRUE(contains(why("[1, 2]"), "is a JSON list"));
  EXPECT_TRUE(contains(why("{}"), "has no \"images\""));
  EXPECT_TRUE(contains(why(R"({"images": [], "annotations": []})"), "has no \"categories\""));
  EXPECT_TRUE(
      contains(why(R"({"images": 5, "annotations": [], "categories": []})"), "not a usable"));
  json file = good_file();
  file["categories"] = json::array();
  EXPECT_TRUE(contains(why(file.dump()), "has no categories"));
  file = good_file();
  file["images"] = json::array();
  const Warnings warnings;
  EXPECT_TRUE(contains(why(file.dump()), "no image is left of 0")) << why(file.dump());
  EXPECT_TRUE(contains(error_of<DataError>([] { CocoDataset({.ann_file = "/nowhere/x.json"}); }),
                       "/nowhere/x.json: No such file"));
  EXPECT_THROW(CocoDataset(CocoDatasetOptions{}), UsageError);
  tree.dir.write("ann.json", good_file().dump());
  EXPECT_TRUE(contains(error_of<DataError>([&] {
                         CocoDataset({.ann_file = (tree.dir / "ann.json").string(),
                                      .img_prefix = (tree.dir / "nowhere").string()});
                       }),
                       "nowhere: the folder with the images"));
}

TEST(Coco, EveryTruncationIsAnError) {
  const CocoTree tree;
  const std::string text = good_file().dump();
  const Warnings warnings;
  for (size_t size = 0; size < text.size(); ++size) {
    const std::string why =
        error_of<DataError>([&] { tree.open_text(text.substr(0, size), {.test_mode = true}); });
    EXPECT_TRUE(contains(why, "ann.json")) << size << ": " << why;
  }
}

TEST(Coco, ManyWarningsAreCounted) {
  const CocoTree tree;
  json file = good_file();
  for (int i = 0; i < 300; ++i) {
    file["annotations"].push_back(
        {{"id", 100 + i}, {"image_id", 1}, {"category_id", 2}, {"bbox", {1, 2, 3, 4}}});
  }
  const Warnings warnings;
  tree.open(file);
  EXPECT_EQ(warnings.count(), 101u);
  EXPECT_TRUE(warnings.has({"and 200 more"}));
}

}  // namespace
}  // namespace kestrel
