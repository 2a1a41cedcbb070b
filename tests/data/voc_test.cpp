#include <gtest/gtest.h>

#include <kestrel/data/datasets/voc.h>
#include <kestrel/kernels/error.h>

#include "support.h"

namespace kestrel {
namespace {

using test::contains;
using test::error_of;
using test::Warnings;

std::string object(const std::string& name, const std::string& box, const std::string& more = "") {
  return "<object><name>" + name + "</name>" + more + "<bndbox>" + box + "</bndbox></object>";
}

std::string box(const std::string& x1, const std::string& y1, const std::string& x2,
                const std::string& y2) {
  return "<xmin>" + x1 + "</xmin><ymin>" + y1 + "</ymin><xmax>" + x2 + "</xmax><ymax>" + y2 +
         "</ymax>";
}

std::string annotation(const std::string& objects, int width = 100, int height = 80) {
  return "<annotation><filename>x.jpg</filename><size><width>" + std::to_string(width) +
         "</width><height>" + std::to_string(height) + "</height></size>" + objects +
         "</annotation>";
}

const std::string kGood = object("rbc", box("11", "21", "41", "61"));

struct VocTree {
  test::TempDir dir;

  explicit VocTree(const std::string& second = annotation(kGood)) {
    std::filesystem::create_directories(dir / "JPEGImages");
    dir.write("ImageSets/Main/train.txt", "one\r\n\n  two  1\n");
    dir.write("Annotations/one.xml", annotation(object("wbc", box("1", "1", "50", "60")), 50, 60));
    dir.write("Annotations/two.xml", second);
  }
  VocDataset open(VocDatasetOptions options = {}) const {
    options.data_root = dir.path().string();
    options.ann_file = "ImageSets/Main/train.txt";
    return VocDataset(options);
  }
};

TEST(Voc, SubtractsOneFromAllCoordinates) {
  const VocTree tree(annotation(object("rbc", box("11", "21.7", "41", " 61 "))));
  const Warnings warnings;
  const VocDataset d = tree.open();
  EXPECT_EQ(warnings.count(), 0u);
  ASSERT_EQ(d.size(), 2);
  EXPECT_EQ(d.annotations(1)[0].box(), (Box{10, 20, 40, 60}));  // int(float(text)) - 1
  EXPECT_EQ(d.annotations(1)[0].area, 30 * 40);
  EXPECT_EQ(d.class_names(), (std::vector<std::string>{"rbc", "wbc"}));  // sorted
  EXPECT_EQ(d.annotations(0)[0].label, 1);
  EXPECT_EQ(d.info(1).id, 2);
  EXPECT_EQ(d.info(1).width, 100);
  EXPECT_EQ(d.group(0), 0);
  EXPECT_EQ(d.group(1), 1);
}

TEST(Voc, DifficultObjectsAreIgnored) {
  const VocTree tree(
      annotation(kGood + object("rbc", box("1", "1", "9", "9"), "<difficult>1</difficult>")));
  const VocDataset d = tree.open();
  EXPECT_EQ(d.training_target(1).boxes.size(), 1u);
  EXPECT_EQ(d.training_target(1).ignored.size(), 1u);
  EXPECT_TRUE(d.annotations(1)[1].difficult);
}

TEST(Voc, ClassesOfOtherListsAreFoundToo) {
  const VocTree tree;
  tree.dir.write("Annotations/elsewhere.xml", annotation(object("abc", box("1", "1", "9", "9"))));
  EXPECT_EQ(tree.open().class_names(), (std::vector<std::string>{"abc", "rbc", "wbc"}));
}

TEST(Voc, ClassesMayBeChosen) {
  const VocTree tree;
  const Warnings warnings;
  const VocDataset d = tree.open({.classes = {"wbc"}});
  EXPECT_EQ(warnings.count(), 0u);
  ASSERT_EQ(d.size(), 1);
  EXPECT_EQ(d.info(0).id, 1);
  EXPECT_EQ(tree.open({.classes = {"wbc"}, .test_mode = true}).size(), 2);
  const std::string why = error_of<DataError>([&] { tree.open({.classes = {"dog"}}); });
  EXPECT_TRUE(contains(why, "train.txt: has no class 'dog'; there are 'rbc', 'wbc'")) << why;
}

TEST(Voc, AClassWithoutObjectsIsToldOf) {
  const VocTree tree;
  const Warnings warnings;
  EXPECT_EQ(tree.open({.classes = {"wbc", "wcb"}}).num_classes(), 2);
  EXPECT_TRUE(warnings.has({"train.txt: has no class 'wcb'; there are 'wbc', 'rbc'"}));
}

TEST(Voc, NothingToTrainOnIsAnError) {
  const std::string hard = object("rbc", box("1", "1", "9", "9"), "<difficult>1</difficult>");
  const VocTree tree(annotation(hard));
  tree.dir.write("Annotations/one.xml", annotation(hard));
  const std::string why = error_of<DataError>([&] { tree.open(); });
  EXPECT_TRUE(contains(why, "none of the 2 images has an object to train on")) << why;
  EXPECT_EQ(tree.open({.test_mode = true}).size(), 2);
}

TEST(Voc, StandardTreesHaveTheTwentyClassesUnlessTheyNameOthers) {
  const auto open = [](const VocTree& tree) {
    const auto year = tree.dir / "VOC2007";
    std::filesystem::create_directories(year);
    for (const char* part : {"Annotations", "JPEGImages", "ImageSets"}) {
      std::filesystem::rename(tree.dir / part, year / part);
    }
    return VocDataset({.ann_file = (year / "ImageSets/Main/train.txt").string(),
                       .img_prefix = year.string() + "/"});
  };
  const Warnings warnings;
  const VocTree own;  // in a folder that is called VOC2007
  EXPECT_EQ(open(own).class_names(), (std::vector<std::string>{"rbc", "wbc"}));
  const std::string cat = object("cat", box("1", "1", "50", "60"));
  const VocTree some(annotation(cat));
  some.dir.write("Annotations/one.xml", annotation(cat, 50, 60));
  const VocDataset d = open(some);
  EXPECT_EQ(d.class_names(), voc_classes());
  EXPECT_EQ(d.annotations(0)[0].label, 7);
  const VocTree mixed(annotation(cat));
  EXPECT_EQ(open(mixed).class_names(), (std::vector<std::string>{"cat", "wbc"}));
  EXPECT_EQ(warnings.count(), 0u);
}

TEST(Voc, NamesOfImagesMayHaveBlanks) {
  const VocTree tree;
  for (const char* name : {"my photo", "a b 1", "list 2.v1"}) {
    tree.dir.write("Annotations/" + std::string(name) + ".xml", annotation(kGood));
  }
  const auto count = [&](const std::string& list) {
    tree.dir.write("ImageSets/Main/train.txt", list);
    return tree.open().size();
  };
  const Warnings warnings;
  EXPECT_EQ(count("my photo\r\na b 1\nlist 2.v1\ntwo"), 4);
  EXPECT_EQ(count("my photo  1\na b 1 -1\ntwo -1\n one  0\n"), 4);  // a class's list
  EXPECT_EQ(count("my photo.jpg\ntwo.xml\n"), 2);                   // with their extensions
  EXPECT_EQ(warnings.count(), 0u);
  EXPECT_EQ(count("two\nno photo\n"), 1);
  EXPECT_TRUE(warnings.has({"Annotations/no photo.xml: No such file"}));
}

TEST(Voc, BlanksAndLineEndsInANameMakeNoNewClass) {
  const VocTree tree(annotation(object("\n\t\trbc\n\t", box("11", "21", "41", "61")) +
                                object(" red\n cell ", box("1", "1", "9", "9")) +
                                object("red cell", box("1", "1", "9", "9"))));
  const VocDataset d = tree.open();
  EXPECT_EQ(d.class_names(), (std::vector<std::string>{"rbc", "red cell", "wbc"}));
  EXPECT_EQ(d.annotations(1)[1].label, d.annotations(1)[2].label);
}

TEST(Voc, ImagesWithoutObjectsAreCounted) {
  const VocTree tree(annotation(""));
  EXPECT_EQ(tree.open().size(), 1);
  EXPECT_EQ(tree.open().left_out().empty, 1);
  EXPECT_EQ(tree.open().describe_images("training images"),
            "1 training images (1 more without an object left out)");
  EXPECT_EQ(tree.open({.filter_empty_gt = false}).describe_images("images"),
            "2 images (1 of them without an object)");
}

struct BadVoc {
  std::string name, xml;
  std::vector<std::string> warning;
  int64_t images;  // left
};

void PrintTo(const BadVoc& bad, std::ostream* out) {
  *out << bad.name;
}

const std::vector<BadVoc> kBadVoc = {
    {"one_pixel",
     annotation(kGood + object("rbc", box("181", "29", "181", "29"))),
     {"Annotations/two.xml: object 2 (rbc) has the degenerate box xmin 181, ymin 29"},
     2},
    {"reversed",
     annotation(kGood + object("rbc", box("50", "10", "40", "20"))),
     {"object 2", "degenerate"},
     2},
    {"outside",
     annotation(kGood + object("rbc", box("101", "10", "140", "20"))),
     {"object 2", "outside the 100x80"},
     2},
    {"text",
     annotation(kGood + object("rbc", box("a", "10", "40", "20"))),
     {"object 2 (rbc) has xmin 'a'"},
     2},
    {"half_text",
     annotation(kGood + object("rbc", box("1", "10", "40px", "20"))),
     {"has xmax '40px'"},
     2},
    {"nan", annotation(kGood + object("rbc", box("nan", "10", "40", "20"))), {"has xmin 'nan'"}, 2},
    {"missing_number", annotation(kGood + object("rbc", "<xmin>1</xmin>")), {"has ymin ''"}, 2},
    {"missing_box",
     annotation(kGood + "<object><name>rbc</name></object>"),
     {"object 2 (rbc) has no <bndbox>"},
     2},
    {"missing_name",
     annotation(kGood + object("", box("1", "1", "9", "9"))),
     {"object 2 (no name)"},
     2},
    {"cut_short", annotation(kGood).substr(0, 100), {"Annotations/two.xml: not usable XML"}, 1},
    {"empty_file", "", {"Annotations/two.xml: not usable XML"}, 1},
    {"not_xml", "hello", {"Annotations/two.xml: not usable XML"}, 1},
    {"other_root", "<html></html>", {"no <annotation>"}, 1},
    {"no_size_no_image", "<annotation>" + kGood + "</annotation>", {"has no size", "two.jpg"}, 1},
    {"zero_size", annotation(kGood, 0, 0), {"has no size", "two.jpg"}, 1},
};

class VocBad : public testing::TestWithParam<BadVoc> {};

TEST_P(VocBad, ItemIsNamedAndTheRestIsKept) {
  const VocTree tree(GetParam().xml);
  const Warnings warnings;
  const VocDataset d = tree.open();
  EXPECT_TRUE(warnings.has(GetParam().warning))
      << (warnings.count() ? warnings.texts()[0] : "none");
  EXPECT_TRUE(warnings.has({"[voc] " + tree.dir.path().string(), "; dropped"}));
  ASSERT_EQ(d.size(), GetParam().images);
  if (d.size() == 2) {
    EXPECT_EQ(d.annotations(1).size(), 1u);
  }
  EXPECT_THROW(tree.open({.strict = true}), DataError);
}

INSTANTIATE_TEST_SUITE_P(Items, VocBad, testing::ValuesIn(kBadVoc),
                         [](const auto& test) { return test.param.name; });

TEST(Voc, SizeComesFromTheImageWhereItIsMissing) {
  const VocTree tree("<annotation><filename>/other/place/named.png</filename>" + kGood +
                     "</annotation>");
  write_png(tree.dir / "JPEGImages/named.png", test::test_image(70, 90));
  const Warnings warnings;
  const VocDataset d = tree.open();
  EXPECT_EQ(warnings.count(), 0u);
  ASSERT_EQ(d.size(), 2);
  EXPECT_EQ(d.info(1).width, 90);
  EXPECT_EQ(d.load(1).height, 70);
}

TEST(Voc, SaysWhyATreeIsNotUsable) {
  const VocTree tree;
  const auto why = [&](const std::string& list) {
    return error_of<DataError>(
        [&] { VocDataset({.ann_file = list, .data_root = tree.dir.path().string()}); });
  };
  EXPECT_TRUE(contains(why("none.txt"), "none.txt: No such file"));
  tree.dir.write("empty.txt", "\n \n");
  EXPECT_TRUE(contains(why("empty.txt"), "empty.txt: names no images"));
  tree.dir.write("twice.txt", "one\none\nthree\n");
  const Warnings warnings;
  EXPECT_EQ(why("twice.txt"), "");
  EXPECT_TRUE(warnings.has({"twice.txt names one twice"}));
  EXPECT_TRUE(warnings.has({"three.xml: No such file"}));
  tree.dir.write("missing.txt", "three\n");
  EXPECT_TRUE(contains(why("missing.txt"), "no image is left of 1"));
  std::filesystem::remove_all(tree.dir / "JPEGImages");
  EXPECT_TRUE(contains(why("twice.txt"), "JPEGImages: the folder does not exist"));
}

}  // namespace
}  // namespace kestrel
