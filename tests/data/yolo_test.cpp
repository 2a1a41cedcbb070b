#include <gtest/gtest.h>

#include <cstdlib>

#include <kestrel/data/build_dataset.h>
#include <kestrel/data/datasets/yolo.h>
#include <kestrel/data/datasets/yolo_labels.h>
#include <kestrel/data/datasets/yolo_yaml.h>
#include <kestrel/kernels/error.h>

#include "support.h"

namespace kestrel {
namespace {

using test::contains;
using test::error_of;
using test::Warnings;

/// images/train/{a,b,c}.png of 100x80 with labels of a and b, images/val/d.png without.
struct YoloTree {
  test::TempDir dir;

  YoloTree() {
    for (const char* name : {"train/a", "train/b", "train/c", "val/d"}) {
      write_png(dir / ("images/" + std::string(name) + ".png"), test::test_image(80, 100));
    }
    dir.write("labels/train/a.txt", "1 0.5 0.5 0.2 0.4\n0 0.1 0.25 0.2 0.5\r\n\n");
    dir.write("labels/train/b.txt", "0 0.2 0.3 0.6 0.3 0.6 0.8 0.2 0.9\n");
    yaml("train: images/train\nval: images/val\nnames: [cat, dog]\n");
  }
  void yaml(const std::string& text) const { dir.write("data.yaml", text); }
  YoloDataset open(YoloDatasetOptions options = {}) const {
    options.ann_file = (dir / "data.yaml").string();
    return YoloDataset(options);
  }
  std::string why(const std::string& text) const {
    yaml(text);
    return error_of<DataError>([&] { open(); });
  }
};

void expect_near(const std::array<double, 4>& got, const std::array<double, 4>& expected) {
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(got[i], expected[i], 1e-9) << i;
}

TEST(Yolo, ReadsTheLayoutOfUltralytics) {
  const YoloTree tree;
  const Warnings warnings;
  const YoloDataset d = tree.open();
  EXPECT_EQ(warnings.count(), 0u);
  ASSERT_EQ(d.size(), 3);
  EXPECT_EQ(d.class_names(), (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(d.info(0).width, 100);
  EXPECT_EQ(d.info(0).height, 80);
  EXPECT_EQ(d.load(0).width, 100);
  ASSERT_EQ(d.annotations(0).size(), 2u);
  EXPECT_EQ(d.annotations(0)[0].label, 1);
  expect_near(d.annotations(0)[0].bbox, {40, 24, 20, 32});
  expect_near(d.annotations(0)[1].bbox, {0, 0, 20, 40});
  ASSERT_EQ(d.annotations(1).size(), 1u);
  expect_near(d.annotations(1)[0].bbox, {20, 24, 40, 48});  // around the polygon
  EXPECT_TRUE(d.annotations(2).empty());                    // background
  EXPECT_EQ(tree.open({.filter_empty_gt = true}).size(), 2);
  EXPECT_EQ(tree.open({.split = "val", .test_mode = true}).size(), 1);
  EXPECT_EQ(tree.open({.split = "test", .test_mode = true}).size(), 1);  // val stands in
}

TEST(Yolo, PolygonsAreMasksWhereTheyAreAskedFor) {
  const YoloTree tree;
  EXPECT_EQ(tree.open().annotations(1)[0].segmentation, nullptr);
  const YoloDataset d = tree.open({.with_mask = true});
  EXPECT_EQ(d.annotations(0)[0].segmentation, nullptr);  // a box
  ASSERT_NE(d.annotations(1)[0].segmentation, nullptr);
  const std::vector<double> expected = {20, 24, 60, 24, 60, 64, 20, 72};  // of 100x80 pixels
  ASSERT_EQ(d.annotations(1)[0].segmentation->polygons.size(), 1u);
  const std::vector<double>& got = d.annotations(1)[0].segmentation->polygons[0];
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-9) << i;
  // What rounding puts past the edge is cut, in the box and in the outline.
  tree.dir.write("labels/train/b.txt", "0 0.5 0.5 1.005 0.5 1.005 1\n");
  const YoloDataset cut = tree.open({.with_mask = true});
  expect_near(cut.annotations(1)[0].bbox, {50, 40, 50, 40});
  EXPECT_EQ(cut.annotations(1)[0].segmentation->polygons[0],
            (std::vector<double>{50, 40, 100, 40, 100, 80}));
}

TEST(Yolo, ClassesMayBeChosen) {
  const YoloTree tree;
  const YoloDataset dogs = tree.open({.classes = {"dog"}, .filter_empty_gt = true});
  ASSERT_EQ(dogs.size(), 1);
  EXPECT_EQ(dogs.annotations(0)[0].label, 0);
  EXPECT_EQ(tree.open({.classes = {"dog"}}).size(), 3);
  const std::string why = error_of<DataError>([&] { tree.open({.classes = {"dgo"}}); });
  EXPECT_TRUE(contains(why, "data.yaml: has no class 'dgo'; there are 'dog', 'cat'")) << why;
}

TEST(Yolo, NamesMayBeAMap) {
  const YoloTree tree;
  tree.yaml("path: .\ntrain: images/train\nval: images/val\nnc: 2\nnames:\n  1: no\n  0: 12\n");
  EXPECT_EQ(tree.open().class_names(), (std::vector<std::string>{"12", "no"}));
}

TEST(Yolo, PartsMayBeListsAndTextFiles) {
  const YoloTree tree;
  tree.dir.write("few.txt", "./images/train/b.png\nimages/train/a.png\n");
  tree.yaml("train: few.txt\nval: [images/train, images/val]\nnames: [cat, dog]\n");
  const Warnings warnings;
  const YoloDataset d = tree.open();
  ASSERT_EQ(d.size(), 2);
  EXPECT_TRUE(contains(d.info(0).file, "a.png"));
  EXPECT_EQ(tree.open({.split = "val", .test_mode = true}).size(), 4);
  EXPECT_EQ(warnings.count(), 0u);
  tree.dir.write("few.txt", "images/train/a.png\nimages/train/a.png\nimages/train/z.png\n");
  EXPECT_EQ(tree.open().size(), 1);
  EXPECT_TRUE(warnings.has({"1 images are listed twice"}));
  EXPECT_TRUE(warnings.has({"the image cannot be used", "z.png: No such file"}));
}

TEST(Yolo, ThePathIsLookedFor) {
  const YoloTree tree;
  const std::string rest = "\ntrain: images/train\nval: images/val\nnames: [cat, dog]\n";
  const std::string root = tree.dir.path().string();
  const std::string name = tree.dir.path().filename().string();
  for (const std::string& path : {root, std::string("."), name}) {
    tree.yaml("path: " + path + rest);
    EXPECT_EQ(tree.open().size(), 3) << path;
  }
  const std::string why = tree.why("path: /content/blood" + rest);
  EXPECT_TRUE(contains(why, "data.yaml: its path is not there (looked for '/content/blood')"))
      << why;
  // Roboflow's exports.
  tree.yaml("train: ../images/train\nval: ../images/val\nnames: [cat, dog]\n");
  EXPECT_EQ(tree.open().size(), 3);
}

TEST(Yolo, SaysWhyAFileIsNotUsable) {
  const YoloTree tree;
  const std::string train = "train: images/train\n", names = "names: [cat, dog]\n";
  EXPECT_TRUE(contains(tree.why(train), "data.yaml: has no names"));
  EXPECT_TRUE(contains(tree.why(names), "data.yaml: has no train"));
  EXPECT_TRUE(contains(tree.why(train + names + "nc: 3\n"), "nc is 3, but there are 2 names"));
  EXPECT_TRUE(contains(tree.why(train + "names: {0: a, 2: b}\n"), "names has the key '2'"));
  EXPECT_TRUE(contains(tree.why("train: images/tarin\n" + names), "train: 'images/tarin' is not"));
  EXPECT_TRUE(contains(tree.why("train: labels\n" + names), "no image for train in"));
  EXPECT_TRUE(contains(tree.why("train: images/val\n" + names), "has a label file; the first"));
  EXPECT_TRUE(contains(tree.why("- a\n"), "is not a map"));
  EXPECT_TRUE(contains(tree.why("{"), "not valid YAML"));
  EXPECT_TRUE(contains(error_of<DataError>([] { YoloDataset({.ann_file = "/none.yaml"}); }),
                       "/none.yaml: No such file"));
  EXPECT_THROW(YoloDataset(YoloDatasetOptions{}), UsageError);
}

TEST(Yolo, ABadLineIsNamedAndTheRestIsKept) {
  const YoloTree tree;
  tree.dir.write("labels/train/a.txt", "0 0.5 0.5 0.2 0.2\n0 0.5 -0.1 0.2 0.2\n");
  const Warnings warnings;
  const YoloDataset d = tree.open();
  EXPECT_EQ(d.annotations(0).size(), 1u);
  EXPECT_EQ(d.num_dropped(), 1);
  EXPECT_TRUE(warnings.has(
      {"[yolo] ", "labels/train/a.txt: line 2: value -0.1 is not between 0", "; dropped"}));
  const std::string why = error_of<DataError>([&] { tree.open({.strict = true}); });
  EXPECT_TRUE(contains(why, "a.txt: line 2")) << why;
}

TEST(Yolo, NothingToTrainOnIsAnError) {
  const YoloTree tree;
  tree.dir.write("labels/train/a.txt", "");
  std::filesystem::remove(tree.dir / "labels/train/b.txt");
  const std::string why = error_of<DataError>([&] { tree.open(); });
  EXPECT_TRUE(contains(why, "none of the 3 images has an object to train on")) << why;
}

TEST(Yolo, ImagesOfOtherFormatsAreToldOf) {
  const YoloTree tree;
  tree.dir.write("images/train/x.heic", "ftyp");
  const Warnings warnings;
  EXPECT_EQ(tree.open().size(), 3);
  EXPECT_TRUE(warnings.has({"x.heic: .heic is not a format that is read", "; dropped"}));
}

/// The working directory while it lives.
class WorkingIn {
 public:
  explicit WorkingIn(const std::filesystem::path& path) : before_(std::filesystem::current_path()) {
    std::filesystem::current_path(path);
  }
  ~WorkingIn() { std::filesystem::current_path(before_); }
  WorkingIn(const WorkingIn&) = delete;
  WorkingIn& operator=(const WorkingIn&) = delete;

 private:
  std::filesystem::path before_;
};

TEST(Yolo, LabelsAreFoundFromWithinTheFolder) {
  const YoloTree tree;
  tree.dir.write("few.txt", "./images/train/b.png\nimages/train/a.png\n");
  tree.dir.write("images/train/list.txt", "./images/train/a.png\n");
  const WorkingIn folder(tree.dir.path());
  const Warnings warnings;
  for (const std::string train :
       {"images/train", "./images/train", "few.txt", "./few.txt", "images/train/list.txt"}) {
    for (const std::string path : {"", "path: .\n"}) {
      tree.yaml(path + "train: " + train + "\nval: images/val\nnames: [cat, dog]\n");
      for (const char* file : {"data.yaml", "./data.yaml"}) {
        const YoloDataset d({.ann_file = file});
        EXPECT_EQ(d.annotations(0).size(), 2u) << train;
      }
    }
  }
  EXPECT_EQ(warnings.count(), 0u);
}

TEST(Yolo, ListsMayBeSeenFromTheRootOfTheDataSet) {
  const YoloTree tree;
  tree.dir.write("images/train/list.txt", "./images/train/a.png\nimages/train/b.png\n");
  tree.yaml("train: images/train/list.txt\nval: images/val\nnames: [cat, dog]\n");
  const Warnings warnings;
  const YoloDataset d = tree.open();
  ASSERT_EQ(d.size(), 2);
  EXPECT_EQ(d.annotations(0).size(), 2u);
  EXPECT_EQ(warnings.count(), 0u);
}

TEST(Yolo, ListsWrittenOnWindows) {
  const YoloTree tree;
  tree.dir.write("few.txt", "\xEF\xBB\xBF.\\images\\train\\a.png\r\nimages\\train\\b.png\r\n");
  tree.yaml("train: few.txt\nval: images\\val\nnames: [cat, dog]\n");
  const Warnings warnings;
  const YoloDataset d = tree.open();
  ASSERT_EQ(d.size(), 2);
  EXPECT_EQ(d.annotations(0).size(), 2u);
  EXPECT_EQ(tree.open({.split = "val", .test_mode = true}).size(), 1);
}

TEST(Yolo, APartThatIsNotThereMattersWhenItIsAskedFor) {
  const YoloTree tree;
  tree.yaml("train: images/train\nval: images/val\ntest: images/test\nnames: [cat, dog]\n");
  EXPECT_EQ(tree.open().size(), 3);
  EXPECT_EQ(tree.open({.split = "val", .test_mode = true}).size(), 1);
  const std::string why = error_of<DataError>([&] { tree.open({.split = "test"}); });
  EXPECT_TRUE(contains(why, "data.yaml: test: 'images/test' is not there (looked for '")) << why;
  tree.yaml("train: images/nowhere\nval: images/val\nnames: [cat, dog]\n");
  EXPECT_EQ(tree.open({.split = "val", .test_mode = true}).size(), 1);
  tree.yaml("train: images/train\nval:\nvalid: images/val\nnames: [cat, dog]\n");
  EXPECT_EQ(tree.open({.split = "val", .test_mode = true}).size(), 1);
}

TEST(Yolo, KeyPointsAreNoPolygons) {
  const YoloTree tree;
  tree.dir.write("labels/train/a.txt",
                 "1 0.5 0.5 0.2 0.4 0.1 0.1 2 0.9 0.9 2\n0 0.5 0.5 0.2 0.2\n");
  const std::string rest = "train: images/train\nval: images/val\nnames: [cat, dog]\n";
  tree.dir.write("labels/train/b.txt", "");
  tree.yaml(rest + "kpt_shape: [2, 3]\n");
  const YoloDataset d = tree.open();
  ASSERT_EQ(d.annotations(0).size(), 2u);
  expect_near(d.annotations(0)[0].bbox, {40, 24, 20, 32});
  // With two numbers for each, a line looks like a polygon's.
  tree.dir.write("labels/train/a.txt", "1 0.5 0.5 0.2 0.4 0.1 0.1 0.9 0.9\n");
  tree.yaml(rest + "kpt_shape: [2, 2]\n");
  expect_near(tree.open().annotations(0)[0].bbox, {40, 24, 20, 32});
  const Warnings warnings;
  tree.yaml(rest + "kpt_shape: [17, 3]\n");
  EXPECT_THROW(tree.open(), DataError);
  EXPECT_TRUE(
      warnings.has({"a.txt: line 1: has 9 numbers, neither 5", "nor 56 with the key points"}));
  EXPECT_TRUE(contains(tree.why(rest + "kpt_shape: 17\n"), "kpt_shape is 17, not a number"));
  EXPECT_TRUE(contains(tree.why(rest + "kpt_shape: [0, 3]\n"), "kpt_shape is"));
}

TEST(Yolo, BoxesThatAreCutAreToldOf) {
  const YoloTree tree;
  tree.dir.write("labels/train/a.txt", "0 0.95 0.5 0.3 0.2\n0 0.5 0.5 1.01 0.2\n");
  const Warnings warnings;
  EXPECT_EQ(tree.open().num_past_edge(), 1);
  EXPECT_TRUE(warnings.has({"1 boxes reach past their images and are cut to them", "a.txt"}));
}

TEST(Yolo, ImagesWithoutObjectsAreCounted) {
  const YoloTree tree;
  EXPECT_EQ(tree.open().describe_images("training images"),
            "3 training images (1 of them without an object)");
  EXPECT_FALSE(tree.open().leaves_out_empty());
  EXPECT_EQ(tree.open({.filter_empty_gt = true}).describe_images("training images"),
            "2 training images (1 more without an object left out)");
  const Warnings warnings;
  const YoloDataset val = tree.open({.split = "val", .test_mode = true});
  EXPECT_TRUE(warnings.has({"data.yaml: none of the 1 images has an object of the 2 classes"}));
}

TEST(Yolo, IsBuiltFromAConfig) {
  const YoloTree tree;
  const Config node = Config::parse(
      "{type: YOLODataset, ann_file: data.yaml, split: train, "
      "data_root: " +
      tree.dir.path().string() + ", pipeline: [{type: RandomFlip}]}");
  EXPECT_EQ(build_dataset(node, false).dataset->size(), 3);
}

TEST(YoloLabels, LabelFilesLieBesideImages) {
  EXPECT_EQ(yolo_label_file("/d/images/train/a.jpg"), "/d/labels/train/a.txt");
  EXPECT_EQ(yolo_label_file("/images/d/images/a.b.jpg"), "/images/d/labels/a.b.txt");
  EXPECT_EQ(yolo_label_file("/d/photos/a.png"), "/d/photos/a.txt");
  EXPECT_EQ(yolo_label_file("images/train/a.png"), "labels/train/a.txt");
  EXPECT_EQ(yolo_label_file("images/a.png"), "labels/a.txt");
  EXPECT_EQ(yolo_label_file("images.png"), "images.txt");
  EXPECT_EQ(yolo_label_file("/d/Images/Train/a.png"), "/d/labels/Train/a.txt");
  const test::TempDir dir;
  std::filesystem::create_directories(dir / "Labels/Train");
  EXPECT_EQ(yolo_label_file(dir / "Images/Train/a.png"), dir / "Labels/Train/a.txt");
}

TEST(YoloLabels, NumbersUpToOneAreShares) {
  const YoloLabels labels = parse_yolo_labels(
      "\xEF\xBB\xBF"
      "0 0.5 0.5 1.005 1\n2.0 1e-1 .5 0.1 0.1",
      {.num_classes = 3});
  EXPECT_TRUE(labels.problems.empty());
  ASSERT_EQ(labels.boxes.size(), 2u);
  expect_near(labels.boxes[0].corners, {0, 0, 1, 1});
  EXPECT_EQ(labels.boxes[1].label, 2);
}

TEST(YoloLabels, EveryBadLineHasItsReason) {
  const auto problem = [](const std::string& line) {
    const YoloLabels labels = parse_yolo_labels("0 0.5 0.5 0.1 0.1\n" + line, {.num_classes = 2});
    EXPECT_EQ(labels.boxes.size(), 1u) << line;
    return labels.problems.size() == 1 ? labels.problems[0] : "none";
  };
  EXPECT_EQ(problem("0 0.5 0.5 0.1"),
            "line 2: has 4 numbers, neither 5 (class, x, y, width, height) nor a class and the "
            "points of a polygon");
  EXPECT_TRUE(contains(problem("0 0.5 0.5 0.1 0.1 0.9"), "has 6 numbers"));
  EXPECT_TRUE(contains(problem("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4"), "has 8 numbers"));
  EXPECT_EQ(problem("0 0.5 nan 0.1 0.1"), "line 2: 'nan' is not a finite number");
  EXPECT_TRUE(contains(problem("0 0.5 1e999 0.1 0.1"), "'1e999' is not a finite number"));
  EXPECT_TRUE(contains(problem("cat 0.5 0.5 0.1 0.1"), "'cat' is not"));
  EXPECT_EQ(problem("2 0.5 0.5 0.1 0.1"), "line 2: class 2 is not one of 0 to 1");
  EXPECT_TRUE(contains(problem("-1 0.5 0.5 0.1 0.1"), "class -1"));
  EXPECT_TRUE(contains(problem("0.5 0.5 0.5 0.1 0.1"), "class 0.5"));
  EXPECT_TRUE(contains(problem("0 320 240 50 60"), "value 320 is not between 0 and 1"));
  EXPECT_TRUE(contains(problem("0 0.5 0.5 -0.1 0.1"), "value -0.1"));
  EXPECT_TRUE(contains(problem("0 0.5 0.5 0 0.1"), "the box has width 0"));
  EXPECT_TRUE(contains(problem("0 0.1 0.1 0.1 0.5 0.1 0.9"), "the box has width 0"));
  EXPECT_EQ(problem("0 0.5 0.5 0.1 0.1"), "line 2: repeats line 1");
}

}  // namespace
}  // namespace kestrel
