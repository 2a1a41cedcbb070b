// Classes are known by their names, wherever a file has them.
#include <gtest/gtest.h>

#include <kestrel/data/build_dataset.h>
#include <kestrel/data/datasets/class_map.h>
#include <kestrel/data/datasets/coco.h>
#include <kestrel/data/datasets/coco_truths.h>
#include <kestrel/data/datasets/open.h>
#include <kestrel/data/datasets/wrappers.h>
#include <kestrel/kernels/error.h>

#include "support.h"

namespace kestrel {
namespace {

using nlohmann::json;
using test::contains;
using test::error_of;
using test::Warnings;
using Names = std::vector<std::string>;

/// An annotation file with these categories, (id, name), and an object of each in one image.
json file_with(const std::vector<std::pair<int, std::string>>& categories) {
  json file = {{"annotations", json::array()}, {"categories", json::array()}};
  file["images"].push_back({{"id", 1}, {"file_name", "a.jpg"}, {"width", 64}, {"height", 48}});
  int id = 0;
  for (const auto& [category, name] : categories) {
    file["categories"].push_back({{"id", category}, {"name", name}});
    file["annotations"].push_back({{"id", ++id},
                                   {"image_id", 1},
                                   {"category_id", category},
                                   {"bbox", {category, 2, 20, 20}}});
  }
  return file;
}

struct ClassTree {
  test::TempDir dir;
  CocoDatasetOptions options(const json& file, const Names& classes, bool test_mode = true) const {
    return {.ann_file = dir.write("val.json", file.dump()),
            .img_prefix = dir.path().string(),
            .classes = classes,
            .test_mode = test_mode};
  }
  CocoDataset open(const json& file, const Names& classes, bool test_mode = true) const {
    return CocoDataset(options(file, classes, test_mode));
  }
};

/// The name of every object's category in the file, by what the data set makes of it: the label's
/// name and the category that results would have.
void expect_names(const CocoDataset& d, const json& file) {
  for (const Annotation& a : d.annotations(0)) {
    const json& object = file["annotations"][static_cast<size_t>(a.id - 1)];
    EXPECT_EQ(d.category_id(a.label), object["category_id"].get<int64_t>());
    for (const json& category : file["categories"]) {
      if (category["id"] != object["category_id"]) continue;
      EXPECT_EQ(d.class_names()[static_cast<size_t>(a.label)], category["name"]);
    }
  }
}

TEST(ClassesByName, ReversedCategories) {
  const ClassTree tree;
  const json file = file_with({{2, "c1"}, {1, "c0"}});
  const Warnings warnings;
  const CocoDataset d = tree.open(file, {"c0", "c1"});
  EXPECT_EQ(d.class_names(), (Names{"c0", "c1"}));
  EXPECT_EQ(d.annotations(0).size(), 2u);
  EXPECT_EQ(d.annotations(0)[0].label, 1);
  expect_names(d, file);
  EXPECT_EQ(warnings.count(), 0u);
}

TEST(ClassesByName, ACategoryMoreAtTheFront) {
  const ClassTree tree;
  const json file = file_with({{7, "other"}, {1, "c0"}, {2, "c1"}});
  const Warnings warnings;
  const CocoDataset d = tree.open(file, {"c0", "c1"});
  EXPECT_EQ(d.class_names(), (Names{"c0", "c1"}));
  EXPECT_EQ(d.annotations(0).size(), 2u);
  expect_names(d, file);
  EXPECT_TRUE(warnings.has({"val.json: also has the class 'other'", "not among the 2 classes"}));
}

TEST(ClassesByName, ASubsetIsListed) {
  const ClassTree tree;
  const json file = file_with({{3, "c2"}});
  const Warnings warnings;
  const CocoDataset d = tree.open(file, {"c0", "c1", "c2"});
  EXPECT_EQ(d.num_classes(), 3);
  ASSERT_EQ(d.annotations(0).size(), 1u);
  EXPECT_EQ(d.annotations(0)[0].label, 2);
  EXPECT_EQ(d.category_id(2), 3);
  EXPECT_FALSE(d.has_class(0));
  EXPECT_TRUE(d.has_class(2));
  EXPECT_TRUE(warnings.has({"val.json: has none of the 2 classes 'c0', 'c1'; there are 'c2'"}));
  // What the file lacks has ids of its own, and results leave it out.
  EXPECT_NE(d.category_id(0), d.category_id(1));
  for (const int64_t label : {0, 1}) EXPECT_NE(d.category_id(label), 3);
  const std::vector<CocoEvalDetection> found = {
      {.image_id = 1, .category_id = d.category_id(0), .score = 0.5, .bbox = {1, 2, 3, 4}},
      {.image_id = 1, .category_id = d.category_id(2), .score = 0.5, .bbox = {1, 2, 3, 4}}};
  const json results = json::parse(coco_results_json(found, CocoMetric::kBbox, coco_ids(d)));
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0]["category_id"], 3);
  const CocoEvalResult result = evaluate_coco(coco_truths(d), found, CocoMetric::kBbox);
  EXPECT_EQ(result.class_ap.size(), 3u);
}

TEST(ClassesByName, IdsInUseByClassesThatWereNotAskedForAreNotGivenAgain) {
  const ClassTree tree;
  const Warnings warnings;
  const CocoDataset d = tree.open(file_with({{1, "c0"}, {2, "x"}, {3, "y"}}), {"z", "c0"});
  EXPECT_EQ(d.category_id(1), 1);
  for (const int64_t id : {1, 2, 3}) EXPECT_NE(d.category_id(0), id);
}

TEST(ClassesByName, NamesThatDifferInCaseAreToldOf) {
  const ClassTree tree;
  const Warnings warnings;
  const CocoDataset d = tree.open(file_with({{1, "C0"}, {2, "c1"}}), {"c0", "c1"});
  EXPECT_EQ(d.annotations(0).size(), 1u);
  EXPECT_TRUE(warnings.has(
      {"val.json: has no class 'c0'; there are 'C0', 'c1'", "'c0' and 'C0' differ in their case"}));
  EXPECT_TRUE(warnings.has({"also has the class 'C0'"}));
}

TEST(ClassesByName, NoSharedClassIsRefused) {
  const ClassTree tree;
  const auto why = [&](const json& file, const Names& classes) {
    return error_of<DataError>([&] { tree.open(file, classes); });
  };
  std::string text = why(file_with({{1, "C0"}, {2, "C1"}}), {"c0", "c1"});
  EXPECT_TRUE(contains(text, "[coco] ") && contains(text, "val.json: has none of the 2 classes"))
      << text;
  EXPECT_TRUE(contains(text, "there are 'C0', 'C1'; 'c0' and 'C0', 'c1' and 'C1' differ in"))
      << text;
  text = why(file_with({{1, "dog"}}), {"cat"});
  EXPECT_TRUE(contains(text, "val.json: has no class 'cat'; there are 'dog'")) << text;
}

TEST(ClassesByName, ForTrainingEveryClassThatWasAskedForIsListed) {
  const ClassTree tree;
  const std::string why = error_of<DataError>([&] {
    tree.open(file_with({{1, "c0"}}), {"c0", "c1"}, false);
  });
  EXPECT_TRUE(contains(why, "has no class 'c1'; there are 'c0'")) << why;
}

TEST(ClassesByName, BlanksAroundAndWithinANameAreNotPartOfIt) {
  EXPECT_EQ(class_name_of(" \r\n traffic \n\t light "), "traffic light");
  EXPECT_EQ(class_name_of(" \n"), "");
  const ClassTree tree;
  const json file = file_with({{1, "traffic  light"}, {2, "c1 "}});
  const Warnings warnings;
  const CocoDataset d = tree.open(file, {"c1", " traffic light"});
  EXPECT_EQ(d.annotations(0)[0].label, 1);
  EXPECT_EQ(d.annotations(0)[1].label, 0);
  EXPECT_EQ(warnings.count(), 0u);
  EXPECT_EQ(tree.open(file, {}).class_names(), (Names{"traffic light", "c1"}));
}

TEST(ClassesByName, ANameThatIsListedTwiceIsOneClass) {
  const ClassTree tree;
  const json file = file_with({{1, "c0"}, {5, "c0"}, {2, "c1"}});
  const Warnings warnings;
  const CocoDataset d = tree.open(file, {});
  EXPECT_EQ(d.class_names(), (Names{"c0", "c1"}));
  EXPECT_EQ(d.annotations(0)[1].label, 0);
  EXPECT_EQ(d.annotations(0)[2].label, 1);
  EXPECT_EQ(d.category_id(1), 2);
  EXPECT_TRUE(warnings.has({"val.json: lists the class 'c0' more than once; taken as one"}));
}

TEST(ClassesByName, PartsThatAreJoinedMayListThemInAnyOrder) {
  const ClassTree tree;
  const json a = file_with({{1, "c0"}, {2, "c1"}}), b = file_with({{1, "c1"}, {2, "c0"}});
  const auto first = std::make_shared<CocoDataset>(tree.options(a, {}));
  const auto second = std::make_shared<CocoDataset>(tree.options(b, {}));
  const ConcatDataset both({first, second});
  EXPECT_EQ(both.class_names(), (Names{"c0", "c1"}));
  EXPECT_EQ(both.annotations(0)[0].label, 0);
  EXPECT_EQ(both.annotations(1)[0].label, 1);  // c1, which its file has as the first
  const auto third = std::make_shared<CocoDataset>(tree.options(file_with({{1, "c0"}}), {}));
  EXPECT_THROW(ConcatDataset({first, third}), UsageError);
}

TEST(ClassesByName, AConfigsValidationSetTakesThoseItIsGiven) {
  const ClassTree tree;
  tree.dir.write("val.json", file_with({{4, "c1"}, {5, "c0"}}).dump());
  const Config node = Config::parse(
      "{type: CocoDataset, ann_file: val.json, data_root: " + tree.dir.path().string() +
          ", classes: [c1], pipeline: [{type: Resize, img_scale: [64, 64]}]}",
      "x.yaml");
  const auto val = build_dataset(node, true, {"c0", "c1"});
  EXPECT_EQ(val.dataset->class_names(), (Names{"c0", "c1"}));
  EXPECT_EQ(val.dataset->category_id(0), 5);
  EXPECT_EQ(build_dataset(node, true).dataset->class_names(), Names{"c1"});
}

std::string voc_with(const Names& names) {
  std::string objects;
  for (const std::string& name : names) {
    objects += "<object><name>" + name +
               "</name><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>30</xmax><ymax>33</ymax></bndbox>"
               "</object>";
  }
  return "<annotation><size><width>64</width><height>48</height></size>" + objects +
         "</annotation>";
}

TEST(ClassesByName, VocsLists) {
  const test::TempDir dir;
  std::filesystem::create_directories(dir / "JPEGImages");
  dir.write("Annotations/a.xml", voc_with({"c1", "c0", "C2"}));
  dir.write("ImageSets/Main/val.txt", "a\n");
  const auto open = [&](const Names& classes) {
    return open_dataset(
        {.name_or_path = dir.path().string(), .split = Split::Val, .classes = classes});
  };
  const Warnings warnings;
  const auto d = open({"c2", "c1", "c0"});
  EXPECT_EQ(d->class_names(), (Names{"c2", "c1", "c0"}));
  ASSERT_EQ(d->annotations(0).size(), 2u);
  EXPECT_EQ(d->annotations(0)[0].label, 1);
  EXPECT_TRUE(warnings.has({"val.txt: has no class 'c2'", "'c2' and 'C2' differ in their case"}));
  EXPECT_TRUE(warnings.has({"val.txt: also has the class 'C2'"}));
  EXPECT_TRUE(contains(error_of<DataError>([&] {
                         open({"x", "y"});
                       }),
                       "val.txt: has none of the 2 classes 'x', 'y'"));
}

TEST(ClassesByName, YolosNames) {
  const test::TempDir dir;
  write_png(dir / "images/a.png", test::test_image(48, 64));
  dir.write("labels/a.txt", "0 0.5 0.5 0.2 0.2\n1 0.4 0.4 0.2 0.2\n2 0.6 0.6 0.1 0.1\n");
  dir.write("data.yaml", "train: images\nval: images\nnames: [c2, c0, c1]\n");
  const auto open = [&](const Names& classes) {
    return open_dataset(
        {.name_or_path = dir.path().string(), .split = Split::Val, .classes = classes});
  };
  const Warnings warnings;
  const auto d = open({"c0", "c1", "c3"});
  ASSERT_EQ(d->annotations(0).size(), 2u);
  EXPECT_EQ(d->annotations(0)[0].label, 0);
  EXPECT_EQ(d->annotations(0)[1].label, 1);
  EXPECT_TRUE(warnings.has({"data.yaml: has no class 'c3'"}));
  EXPECT_TRUE(warnings.has({"data.yaml: also has the class 'c2'"}));
  EXPECT_TRUE(
      contains(error_of<DataError>([&] { open({"C0"}); }), "'C0' and 'c0' differ in their case"));
}

}  // namespace
}  // namespace kestrel
