#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include <kestrel/data/build_dataset.h>
#include <kestrel/data/loader.h>
#include <kestrel/data/transforms/collate.h>
#include <kestrel/data/transforms/expand.h>
#include <kestrel/data/transforms/load_annotations.h>
#include <kestrel/data/transforms/pad.h>
#include <kestrel/data/transforms/random_crop.h>
#include <kestrel/data/transforms/random_flip.h>
#include <kestrel/data/transforms/resize.h>

#include "support.h"

namespace kestrel {
namespace {

/// A picture of 24 x 32 whose objects are rectangles of whole pixels, so that box, mask, map and
/// picture can be compared: value 200 in the picture, class 3 in the map.
Sample rectangles(bool polygons) {
  const std::vector<Box> boxes = {{4, 4, 12, 10}, {18, 12, 30, 22}};
  Sample sample{Image(24, 32)};
  sample.instances.semantic = {24, 32, std::vector<uint8_t>(24 * 32, 0)};
  for (const Box& b : boxes) {
    std::vector<uint8_t> pixels(24 * 32, 0);
    for (auto y = static_cast<int64_t>(b.y1); y < static_cast<int64_t>(b.y2); ++y) {
      for (auto x = static_cast<int64_t>(b.x1); x < static_cast<int64_t>(b.x2); ++x) {
        const auto place = static_cast<size_t>(y * 32 + x);
        pixels[place] = 1;
        sample.instances.semantic.classes[place] = 3;
        for (int c = 0; c < 3; ++c) sample.bytes().row(y)[3 * x + c] = 200;
      }
    }
    sample.instances.boxes.push_back(b);
    sample.instances.labels.push_back(std::ssize(sample.instances.labels));
    const Polygons outline = {{b.x1, b.y1, b.x2, b.y1, b.x2, b.y2, b.x1, b.y2}};
    sample.instances.masks.push_back(polygons ? InstanceMask(outline, 24, 32)
                                              : InstanceMask(mask_from_pixels(pixels, 24, 32)));
  }
  sample.instances.ignored = {boxes[1]};
  return sample;
}

std::array<double, 4> corners(const Box& b) {
  return {b.x1, b.y1, b.x2 - b.x1, b.y2 - b.y1};
}

/// The picture, the boxes, the masks and the map say the same.
void expect_consistent(Sample& sample, const std::string& what) {
  SCOPED_TRACE(what);
  const Instances& all = sample.instances;
  const int64_t h = sample.height(), w = sample.width();
  ASSERT_EQ(all.masks.size(), all.boxes.size());
  ASSERT_EQ(all.semantic.height, h);
  ASSERT_EQ(all.semantic.width, w);
  std::vector<uint8_t> covered(static_cast<size_t>(h * w), 0);
  for (size_t i = 0; i < all.masks.size(); ++i) {
    ASSERT_EQ(all.masks[i].height(), h);
    ASSERT_EQ(all.masks[i].width(), w);
    EXPECT_EQ(mask_box(all.masks[i].rle()), corners(all.boxes[i])) << i;
    const std::vector<uint8_t> pixels = all.masks[i].pixels();
    for (size_t p = 0; p < pixels.size(); ++p) covered[p] |= pixels[p];
  }
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t x = 0; x < w; ++x) {
      const auto place = static_cast<size_t>(y * w + x);
      ASSERT_EQ(sample.bytes().row(y)[3 * x] == 200, covered[place] == 1) << x << ", " << y;
      ASSERT_EQ(all.semantic.classes[place] == 3, covered[place] == 1) << x << ", " << y;
    }
  }
}

class InstancesTest : public ::testing::TestWithParam<bool> {};

TEST_P(InstancesTest, FlipsCropsAndExpansionsChangeAllOfThem) {
  Philox random(1);
  for (const FlipDirection direction :
       {FlipDirection::Horizontal, FlipDirection::Vertical, FlipDirection::Diagonal}) {
    Sample sample = rectangles(GetParam());
    RandomFlip({.flip_ratio = {{1.0}}, .direction = {{direction}}}).apply(sample, random);
    expect_consistent(sample, "flip");
    EXPECT_EQ(sample.instances.ignored[0], sample.instances.boxes[1]);
  }
  for (int round = 0; round < 20; ++round) {
    Sample sample = rectangles(GetParam());
    // The objects may lose a part, but what is left is where it was.
    RandomCrop({.crop_size = {16, 20}, .allow_negative_crop = true}).apply(sample, random);
    expect_consistent(sample, "crop");
    Expand({.mean = {9, 9, 9}, .prob = 1}).apply(sample, random);
    expect_consistent(sample, "expand");
  }
  for (int round = 0; round < 20; ++round) {
    Sample sample = rectangles(GetParam());
    MinIoURandomCrop(MinIoURandomCropOptions{.min_ious = {0.01}}).apply(sample, random);
    ASSERT_EQ(sample.instances.masks.size(), sample.instances.boxes.size());
    ASSERT_EQ(sample.instances.semantic.width, sample.width());
  }
}

TEST_P(InstancesTest, ResizingByWholeFactorsKeepsThemTogether) {
  Philox random(2);
  Sample sample = rectangles(GetParam());
  Resize({.img_scale = {{64, 48}}}).apply(sample, random);
  EXPECT_EQ(sample.instances.semantic.width, 64);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(mask_box(sample.instances.masks[i].rle()), corners(sample.instances.boxes[i]));
  }
  EXPECT_EQ(sample.instances.semantic.classes[9 * 64 + 9], 3);
  EXPECT_EQ(sample.instances.masks[0].is_polygons(), GetParam());
}

TEST_P(InstancesTest, PaddingGrowsWhatIsDrawn) {
  Philox random(3);
  Sample sample = rectangles(GetParam());
  Pad({.size_divisor = 32}).apply(sample, random);
  EXPECT_EQ(sample.instances.masks[0].height(), 32);
  EXPECT_EQ(sample.instances.semantic.height, 32);
  EXPECT_EQ(sample.instances.semantic.classes.back(), SemanticMap::kNone);
  EXPECT_EQ(mask_box(sample.instances.masks[1].rle()), corners(sample.instances.boxes[1]));
  SegRescale({.scale_factor = 0.25}).apply(sample, random);
  EXPECT_EQ(sample.instances.semantic.height, 8);
  const Batch batch = collate(std::span(&sample, 1));
  EXPECT_EQ(batch.truths[0].masks.size(), 2u);
  EXPECT_EQ(batch.truths[0].ignored.shape(), Shape({1, 4}));
  EXPECT_EQ(batch.truths[0].semantic.shape(), Shape({8, 8}));
  EXPECT_EQ(batch.truths[0].semantic.data<uint8_t>()[9], 3);
}

INSTANTIATE_TEST_SUITE_P(As, InstancesTest, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Polygons" : "Pixels"; });

/// A COCO set of one picture of 40 x 48 with a polygon, run lengths and a crowd, and a map.
class MasksOfCoco : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_ / "maps");
    write_png(folder_ / "a.png", Image(40, 48));
    Image map(40, 48);
    for (int c = 0; c < 3; ++c) map.row(5)[3 * 7 + c] = 42;
    write_png(folder_ / "maps/a.png", map);
    folder_.write("train.json", R"({
      "images": [{"id": 9, "file_name": "a.png", "width": 48, "height": 40}],
      "categories": [{"id": 1, "name": "cat"}],
      "annotations": [
        {"id": 1, "image_id": 9, "category_id": 1, "bbox": [4, 4, 8, 8], "area": 64, "iscrowd": 0,
         "segmentation": [[4, 4, 12, 4, 12, 12, 4, 12]]},
        {"id": 2, "image_id": 9, "category_id": 1, "bbox": [0, 0, 48, 40], "area": 9, "iscrowd": 1,
         "segmentation": {"size": [40, 48], "counts": [0, 9, 1911]}},
        {"id": 3, "image_id": 9, "category_id": 1, "bbox": [0, 0, 2, 2], "area": 2, "iscrowd": 0,
         "segmentation": {"size": [40, 48], "counts": [0, 2, 1918]}}]})");
  }

  Batch first_batch(const std::string& load_annotations, const std::string& more = "") const {
    const ConfiguredDataset data = build_dataset(
        Config::parse("{type: CocoDataset, ann_file: train.json, data_root: '" +
                      folder_.path().string() + "'" + more +
                      ", pipeline: [{type: LoadImageFromFile}, {type: " + "LoadAnnotations, " +
                      load_annotations + "}, {type: Pad, size: [48, 64]}]}"),
        false);
    const SequentialSampler sampler(*data.dataset);
    Loader loader(*data.dataset, data.pipeline, sampler,
                  {.batch_size = 1, .workers = 0, .bad_image = BadImage::Throw});
    loader.start_epoch(0);
    return *loader.next();
  }

  test::TempDir folder_;
};

TEST_F(MasksOfCoco, ComeWithTheirBoxes) {
  const Batch batch = first_batch("with_mask: true, poly2mask: false");
  const GroundTruth& truth = batch.truths[0];
  ASSERT_EQ(truth.masks.size(), 2u);
  EXPECT_TRUE(truth.masks[0].is_polygons());
  EXPECT_FALSE(truth.masks[1].is_polygons());
  EXPECT_EQ(truth.masks[0].height(), 48);
  EXPECT_EQ(mask_area(truth.masks[0].rle()), 64);
  EXPECT_EQ(mask_area(truth.masks[1].rle()), 2);
  // The crowd is a box to be ignored.
  ASSERT_EQ(truth.ignored.shape(), Shape({1, 4}));
  EXPECT_EQ(truth.ignored.data<float>()[2], 48);

  EXPECT_FALSE(first_batch("with_mask: true").truths[0].masks[0].is_polygons());
  EXPECT_TRUE(first_batch("with_bbox: true").truths[0].masks.empty());
}

TEST_F(MasksOfCoco, MapsOfClassesAreReadFromTheirFolder) {
  const Batch batch = first_batch("with_seg: true", ", seg_prefix: maps");
  const Tensor& map = batch.truths[0].semantic;
  ASSERT_EQ(map.shape(), Shape({48, 64}));
  EXPECT_EQ(map.data<uint8_t>()[5 * 64 + 7], 42);
  EXPECT_EQ(map.data<uint8_t>()[0], 0);
  EXPECT_EQ(map.data<uint8_t>()[47 * 64], SemanticMap::kNone);
  EXPECT_THROW(first_batch("with_seg: true"), DataError);
  Image coloured(40, 48);
  coloured.row(1)[3] = 9;
  write_png(folder_ / "maps/a.png", coloured);
  EXPECT_THROW(first_batch("with_seg: true", ", seg_prefix: maps"), DataError);
}

}  // namespace
}  // namespace kestrel
