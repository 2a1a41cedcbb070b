#include <gtest/gtest.h>

#include <kestrel/data/check_dataset.h>
#include <kestrel/data/datasets/shapes.h>
#include <kestrel/data/datasets/yolo.h>
#include <kestrel/data/file.h>

#include "support.h"

namespace kestrel {
namespace {

using test::contains;

class ListedDataset : public Dataset {
 public:
  explicit ListedDataset(const test::TempDir& dir) : Dataset("listed") {
    set_classes({"small", "large"});
    const auto object = [](int64_t label, double side) {
      Annotation a;
      a.label = label;
      a.bbox = {0, 0, side, side};
      return a;
    };
    int64_t id = 0;
    const auto add = [&](const char* name, std::vector<Annotation> objects) {
      add_image({.id = ++id, .file = (dir / name).string(), .width = 64, .height = 48}, objects);
    };
    add("good.png", {object(0, 3), object(0, 4), object(1, 30)});
    add("missing.png", {object(1, 5000)});
    add("cut.png", {});
    add("turned.png", {object(0, 1)});
  }
};

TEST(CheckDataset, FindsWhatIsWrong) {
  const test::TempDir dir;
  write_png(dir / "good.png", test::test_image(48, 64));
  write_png(dir / "turned.png", test::test_image(64, 48));
  auto bytes = encode_png(test::test_image(48, 64));
  bytes.resize(bytes.size() - 40);
  write_file("test", dir / "cut.png", bytes);
  const ListedDataset d(dir);
  int64_t last = 0;
  const DatasetReport report =
      check_dataset(d, {.progress = [&](int64_t done, int64_t) { last = std::max(last, done); }});
  EXPECT_EQ(last, 4);
  EXPECT_EQ(report.images, 4);
  EXPECT_EQ(report.objects, 5);
  EXPECT_EQ(report.empty, 1);
  EXPECT_EQ(report.problems(), 3);
  ASSERT_EQ(report.missing.size(), 1u);
  EXPECT_EQ(report.missing[0], (dir / "missing.png").string());
  ASSERT_EQ(report.corrupt.size(), 1u);
  EXPECT_TRUE(contains(report.corrupt[0], "cut.png: PNG does not decode")) << report.corrupt[0];
  ASSERT_EQ(report.other_size.size(), 1u);
  EXPECT_TRUE(contains(report.other_size[0], "turned.png: is 48x64, annotated as 64x48"));
  EXPECT_EQ(report.class_objects, (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(report.class_images, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(report.box_sizes, (std::vector<int64_t>{1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 1}));
  // Headers alone do not tell that a file is cut.
  const DatasetReport fast = check_dataset(d, {.decode = false});
  EXPECT_EQ(fast.problems(), 2);
  EXPECT_EQ(fast.missing.size(), 1u);

  const std::string text = report_text(d, report);
  for (const char* part : {"3 found, 1 missing, 1 corrupt, 1 of another size", "1 empty",
                           "5 of 2 classes", "large", "1024 or more"}) {
    EXPECT_TRUE(contains(text, part)) << part << '\n' << text;
  }
}

TEST(CheckDataset, GeneratedImagesHaveNoFiles) {
  const ShapesDataset shapes({.num_images = 3});
  for (const bool decode : {true, false}) {
    const DatasetReport report = check_dataset(shapes, {.decode = decode});
    EXPECT_EQ(report.images, 3);
    EXPECT_EQ(report.problems(), 0);
  }
}

/// A YOLO tree with an image in each part.
struct YoloParts {
  test::TempDir dir;
  YoloParts() {
    for (const char* part : {"train", "val", "test"}) {
      write_png(dir / ("images/" + std::string(part) + "/a.png"), test::test_image(48, 64));
      dir.write("labels/" + std::string(part) + "/a.txt", "0 0.5 0.5 0.2 0.2\n");
    }
    yaml("train: images/train\nval: images/val\ntest: images/test\n");
  }
  void yaml(const std::string& parts) const {
    dir.write("data.yaml", parts + "names: [cat, dog]\n");
  }
  struct Summary {
    std::string parts;
    int64_t problems = 0;
    std::string texts;
  };
  Summary check() const {
    Summary out;
    check_parts(dir.path().string(), {Split::Train, Split::Val, Split::Test}, {},
                [&](const PartReport& part) {
                  out.parts += std::string(to_string(part.split)) + " ";
                  out.problems += part.problems();
                  out.texts +=
                      part.dataset ? report_text(*part.dataset, part.report) : part.problem;
                });
    return out;
  }
};

TEST(CheckParts, EveryPartOfAYoloSet) {
  const YoloParts tree;
  const test::Warnings warnings;
  EXPECT_EQ(tree.check().parts, "train val test ");
  EXPECT_EQ(tree.check().problems, 0);
  EXPECT_EQ(warnings.count(), 0u);
  tree.dir.write("labels/val/a.txt", "0 0.5 0.5 0.2 0.2\n9 0.5 0.5 0.2 0.2\n");
  tree.dir.write("labels/test/a.txt", "0 0.5 0.5 0.2 0.2\n0 0.9 0.5 0.5 0.2\n");
  EXPECT_EQ(tree.check().problems, 2);
  EXPECT_TRUE(warnings.has({"labels/val/a.txt: line 2: class 9"}));
  EXPECT_TRUE(contains(tree.check().texts, "1 reach past their images"));
}

TEST(CheckParts, WhatStandsInForAPartIsLookedAtOnce) {
  const YoloParts tree;
  const test::Warnings warnings;
  tree.yaml("train: images/train\nval: images/val\n");
  EXPECT_EQ(tree.check().parts, "train val ");
  tree.yaml("train: images/train\ntest: images/test\n");
  EXPECT_EQ(tree.check().parts, "train val ");
}

TEST(CheckParts, APartThatCannotBeUsedIsAProblem) {
  const YoloParts tree;
  const test::Warnings warnings;
  tree.yaml("train: images/train\nval: images/val\ntest: images/nowhere\n");
  const auto found = tree.check();
  EXPECT_EQ(found.parts, "train val test ");
  EXPECT_EQ(found.problems, 1);
  EXPECT_TRUE(contains(found.texts, "test: 'images/nowhere' is not there"));
  tree.dir.write("labels/val/a.txt", "");
  EXPECT_EQ(tree.check().problems, 2);  // nothing to find in val
  EXPECT_TRUE(contains(tree.check().texts, "in training background (filter_empty_gt: false)"));
}

TEST(CheckParts, ClassesAreThoseOfTheFirst) {
  const test::TempDir dir;
  for (const std::string part : {"train", "val"}) {
    write_png(dir / (part + "/a.png"), test::test_image(48, 64));
    const std::string name = part == "train" ? "c0" : "C0";
    dir.write("annotations/" + part + ".json",
              R"({"images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
                "categories": [{"id": 1, "name": ")" +
                  name + R"("}, {"id": 2, "name": "x"}], "annotations":
                [{"id": 1, "image_id": 1, "category_id": 2, "bbox": [1, 2, 30, 40]}]})");
  }
  const test::Warnings warnings;
  int64_t problems = 0;
  check_parts(dir.path().string(), {Split::Train, Split::Val}, {},
              [&](const PartReport& part) { problems += part.problems(); });
  EXPECT_EQ(problems, 0);
  EXPECT_TRUE(warnings.has({"val.json: has no class 'c0'", "'c0' and 'C0' differ in their case"}));
}

TEST(CheckParts, TakesWhatIsKnownOfADirectory) {
  const test::TempDir dir;
  write_png(dir / "shots/a.png", test::test_image(48, 64));
  write_png(dir / "shots/b.png", test::test_image(48, 64));
  for (const std::string name : {"a", "b"}) {
    dir.write("notes/of_" + name + ".json",
              R"({"images": [{"id": 1, "file_name": ")" + name +
                  R"(.png", "width": 64, "height": 48}], "categories": [{"id": 1, "name": "x"}],
                "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40]}]})");
  }
  const CheckOptions options{.recognise = {.annotations = dir / "notes/of_a.json",
                                           .images = dir / "shots",
                                           .val_annotations = dir / "notes/of_b.json",
                                           .val_images = dir / "shots"}};
  std::string parts;
  const auto open = check_parts(
      dir.path().string(), {Split::Train, Split::Val}, options, [&](const PartReport& part) {
        parts +=
            std::string(to_string(part.split)) + " " + std::to_string(part.report.images) + " ";
        EXPECT_TRUE(part.report.missing.empty());
      });
  EXPECT_EQ(parts, "train 1 val 1 ");
  ASSERT_EQ(open.size(), 2u);
  EXPECT_EQ(open[1].dataset->info(0).file, (dir / "shots/b.png").string());
}

}  // namespace
}  // namespace kestrel
