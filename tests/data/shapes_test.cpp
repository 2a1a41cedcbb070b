#include <gtest/gtest.h>

#include <set>

#include <kestrel/data/convert/write_coco.h>
#include <kestrel/data/datasets/open.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/parallel.h>

#include "support.h"

namespace kestrel {
namespace {

uint64_t fnv(const std::vector<uint8_t>& bytes) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (const uint8_t b : bytes) hash = (hash ^ b) * 0x100000001B3u;
  return hash;
}

TEST(Shapes, ImagesDependOnSeedSplitAndIndexAlone) {
  const ShapesDataset a({.seed = 3, .num_images = 6});
  const ShapesDataset b({.seed = 3, .num_images = 40});
  const ShapesDataset other_seed({.seed = 4, .num_images = 6});
  const ShapesDataset other_split({.seed = 3, .split = "val", .num_images = 6});
  std::set<uint64_t> hashes;
  for (int64_t i = 0; i < a.size(); ++i) {
    const Image image = a.load(i);
    EXPECT_EQ(image, b.load(i));
    EXPECT_EQ(image, a.load(i));
    EXPECT_EQ(image.width, a.info(i).width);
    EXPECT_EQ(image.height, a.info(i).height);
    for (const ShapesDataset* d : {&a, &other_seed, &other_split}) {
      EXPECT_TRUE(hashes.insert(fnv(d->load(i).pixels)).second);
    }
  }
}

TEST(Shapes, AnnotationsDoNotDependOnThreads) {
  const int threads = num_threads();
  set_num_threads(1);
  const ShapesDataset one({.num_images = 50});
  set_num_threads(4);
  const ShapesDataset four({.num_images = 50});
  set_num_threads(threads);
  for (int64_t i = 0; i < 50; ++i) {
    ASSERT_EQ(one.annotations(i).size(), four.annotations(i).size());
    for (size_t k = 0; k < one.annotations(i).size(); ++k) {
      EXPECT_EQ(one.annotations(i)[k].id, four.annotations(i)[k].id);
      EXPECT_EQ(one.annotations(i)[k].bbox, four.annotations(i)[k].bbox);
    }
  }
}

TEST(Shapes, BoxesAndAreasAreThoseOfTheMasks) {
  const ShapesDataset d({.seed = 1, .num_images = 100});
  std::vector<int64_t> per_class(static_cast<size_t>(d.num_classes()));
  int64_t small = 0, medium = 0, large = 0;
  std::set<int64_t> ids;
  for (int64_t i = 0; i < d.size(); ++i) {
    const int64_t h = d.info(i).height, w = d.info(i).width;
    EXPECT_EQ(std::max(h, w), 256);
    EXPECT_GE(std::min(h, w), 192);
    std::vector<int> covered(static_cast<size_t>(h * w));
    EXPECT_GE(d.annotations(i).size(), 1u);
    for (const Annotation& a : d.annotations(i)) {
      ASSERT_TRUE(a.segmentation);
      EXPECT_TRUE(ids.insert(a.id).second);
      ++per_class[static_cast<size_t>(a.label)];
      int64_t at = 0, area = 0, x0 = w, y0 = h, x1 = -1, y1 = -1;
      bool inside = false;
      for (const uint32_t run : a.segmentation->counts) {
        for (uint32_t k = 0; k < run; ++k, ++at) {
          if (!inside) continue;
          ASSERT_LT(at, h * w);
          ++covered[static_cast<size_t>(at)];
          ++area;
          x0 = std::min(x0, at / h);
          x1 = std::max(x1, at / h);
          y0 = std::min(y0, at % h);
          y1 = std::max(y1, at % h);
        }
        inside = !inside;
      }
      EXPECT_EQ(at, h * w);
      EXPECT_EQ(a.area, area);
      EXPECT_EQ(a.bbox[0], x0);
      EXPECT_EQ(a.bbox[1], y0);
      EXPECT_EQ(a.bbox[2], x1 - x0 + 1);
      EXPECT_EQ(a.bbox[3], y1 - y0 + 1);
      EXPECT_GE(a.bbox[2], 8);
      (area < 1024 ? small : area < 9216 ? medium : large) += 1;
    }
    for (const int c : covered) ASSERT_LE(c, 1);  // a pixel belongs to one object
  }
  for (const int64_t count : per_class) EXPECT_GT(count, 20);
  EXPECT_GT(small, 20);
  EXPECT_GT(medium, 100);
  EXPECT_GT(large, 0);
}

TEST(Shapes, RefusesWhatMakesNoSense) {
  EXPECT_THROW(ShapesDataset({.split = "training"}), UsageError);
  EXPECT_THROW(ShapesDataset({.num_images = -1}), UsageError);
  EXPECT_THROW(ShapesDataset({.image_size = 8}), UsageError);
  EXPECT_THROW(ShapesDataset({.min_objects = 5, .max_objects = 4}), UsageError);
  const std::string why = test::error_of<UsageError>([] { ShapesDataset({.classes = {"cube"}}); });
  EXPECT_TRUE(test::contains(why, "no class 'cube'; there are 'circle'")) << why;
  EXPECT_EQ(ShapesDataset({.num_images = 3, .classes = {"star"}}).num_classes(), 1);
  EXPECT_THROW(ShapesDataset({.num_images = 3}).load(3), Error);
}

TEST(Shapes, AreTheSameAfterTheWayThroughFiles) {
  const test::TempDir dir;
  for (const std::string split : {"train", "val"}) {
    write_coco(ShapesDataset({.split = split, .num_images = 5}), dir.path(), split + "2017");
  }
  for (const Split split : {Split::Train, Split::Val}) {
    const ShapesDataset d({.split = to_string(split), .num_images = 5});
    const test::Warnings warnings;
    const auto files = open_dataset(
        {.name_or_path = dir.path().string(), .split = split, .with_mask = true, .strict = true});
    EXPECT_EQ(warnings.count(), 0u);
    EXPECT_EQ(files->name(), "coco");
    ASSERT_EQ(files->size(), d.size());
    EXPECT_EQ(files->class_names(), d.class_names());
    for (int64_t i = 0; i < d.size(); ++i) {
      EXPECT_EQ(files->load(i), d.load(i));
      ASSERT_EQ(files->annotations(i).size(), d.annotations(i).size());
      for (size_t k = 0; k < d.annotations(i).size(); ++k) {
        const Annotation &a = files->annotations(i)[k], &b = d.annotations(i)[k];
        EXPECT_EQ(a.bbox, b.bbox);
        EXPECT_EQ(a.area, b.area);
        EXPECT_EQ(a.label, b.label);
        EXPECT_EQ(a.segmentation->counts, b.segmentation->counts);
      }
    }
  }
}

}  // namespace
}  // namespace kestrel
