// A planted case of each kind that check-data warns of.
#include <gtest/gtest.h>

#include <algorithm>

#include <kestrel/data/lint_dataset.h>

#include "support.h"

namespace kestrel {
namespace {

using test::TempDir;
using test::Warnings;

class Linted {
 public:
  Linted() {
    for (const std::string part : {"train", "val"}) {
      for (int i = 0; i < 3; ++i) {
        const std::string stem = part + "/p" + std::to_string(i);
        std::filesystem::create_directories(dir / ("images/" + part));
        write_png(dir / ("images/" + stem + ".png"),
                  test::test_image(48, 64, i + (part == "val" ? 10 : 0)));
        dir.write("labels/" + stem + ".txt", "0 0.5 0.5 0.5 0.5\n1 0.3 0.3 0.2 0.2\n");
      }
    }
    names("[cat, dog]");
  }

  void names(const std::string& list) const {
    dir.write("data.yaml", "train: images/train\nval: images/val\nnames: " + list + "\n");
  }
  std::vector<LintFinding> found(int64_t image_size = 0) const {
    const Warnings warnings;
    const auto parts = check_parts(dir.path().string(), {Split::Train, Split::Val, Split::Test},
                                   {.decode = false}, [](const PartReport&) {});
    return lint_parts(parts, {.image_size = image_size});
  }

  TempDir dir;
};

/// The one finding, which must be of this kind.
void expect_one(const std::vector<LintFinding>& found, const std::string& kind, int64_t count,
                const std::string& example) {
  ASSERT_EQ(found.size(), 1u) << lint_text(found);
  EXPECT_EQ(found[0].kind, kind);
  EXPECT_EQ(found[0].count, count);
  EXPECT_NE(lint_text(found).find(example), std::string::npos) << lint_text(found);
  EXPECT_FALSE(found[0].advice.empty());
}

TEST(LintData, NothingIsFoundInARightSet) {
  EXPECT_TRUE(Linted().found().empty());
  EXPECT_EQ(lint_text({}), "");
}

TEST(LintData, PicturesInTwoParts) {
  const Linted set;
  std::filesystem::copy_file(set.dir / "images/train/p1.png", set.dir / "images/val/other.png");
  set.dir.write("labels/val/other.txt", "0 0.5 0.5 0.5 0.5\n");
  expect_one(set.found(), "pictures in two parts", 1, "images/train/p1.png");
}

TEST(LintData, PicturesTwiceInAPart) {
  const Linted set;
  std::filesystem::copy_file(set.dir / "images/train/p1.png", set.dir / "images/train/again.png");
  expect_one(set.found(), "pictures twice in a part", 1, "p1.png is ");
}

TEST(LintData, DoubledBoxes) {
  const Linted set;
  set.dir.write("labels/train/p0.txt",
                "0 0.5 0.5 0.5 0.5\n0 0.501 0.5 0.5 0.5\n1 0.5 0.5 0.5 0.5\n");
  expect_one(set.found(), "doubled boxes", 1, "p0.png: cat");
}

TEST(LintData, TinyBoxes) {
  const Linted set;
  EXPECT_TRUE(set.found(48).empty());
  expect_one(set.found(20), "tiny boxes", 6, "6 of 12 boxes are under 8 pixels");
}

TEST(LintData, ClassesOfOneSpelling) {
  const Linted set;
  set.names("[traffic light, Traffic-Light]");
  expect_one(set.found(), "classes of one spelling", 1, "'traffic light' and 'Traffic-Light'");
}

TEST(LintData, ClassesInTrainingAlone) {
  const Linted set;
  for (int i = 0; i < 3; ++i) {
    set.dir.write("labels/val/p" + std::to_string(i) + ".txt", "0 0.5 0.5 0.5 0.5\n");
  }
  expect_one(set.found(), "classes in training alone", 1, "'dog', 3 objects");
}

TEST(LintData, PicturesThatNobodyNames) {
  const TempDir dir;
  std::filesystem::create_directories(dir / "images");
  for (int i = 0; i < 3; ++i) {
    write_png(dir / ("images/p" + std::to_string(i) + ".png"), test::test_image(48, 64, i));
  }
  for (const std::string part : {"train", "val"}) {
    const std::string file = part == "train" ? "p0.png" : "p1.png";
    dir.write("annotations/" + part + ".json",
              R"({"images": [{"id": 1, "file_name": ")" + file +
                  R"(", "width": 64, "height": 48}], "categories": [{"id": 1, "name": "cat"}],
                  "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 3, 20, 20],
                  "area": 400, "iscrowd": 0}]})");
  }
  const Warnings warnings;
  const auto parts = check_parts(dir.path().string(), {Split::Train, Split::Val}, {.decode = false},
                                 [](const PartReport&) {});
  expect_one(lint_parts(parts), "pictures that nobody names", 1, "p2.png");
}

TEST(LintData, TurnedPictures) {
  const Linted set;
  // A JPEG whose EXIF says orientation 6.
  write_jpeg(set.dir / "images/train/turned.jpg", test::test_image(48, 64, 7));
  std::ifstream in(set.dir / "images/train/turned.jpg", std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  const std::string tiff("MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0", 26);
  const std::string exif = std::string("Exif\0\0", 6) + tiff;
  const std::string segment =
      std::string("\xff\xe1\0", 3) + static_cast<char>(exif.size() + 2) + exif;
  bytes.insert(2, segment);
  set.dir.write("images/train/turned.jpg", bytes);
  set.dir.write("labels/train/turned.txt", "0 0.5 0.5 0.5 0.5\n");
  expect_one(set.found(), "turned pictures", 1, "turned.jpg (EXIF orientation 6)");
}

}  // namespace
}  // namespace kestrel
