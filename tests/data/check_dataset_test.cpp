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

}  // namespace
}  // namespace kestrel
