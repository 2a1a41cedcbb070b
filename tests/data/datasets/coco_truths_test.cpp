#include <kestrel/data/datasets/coco_truths.h>

#include <gtest/gtest.h>

#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

class SmallDataset : public Dataset {
 public:
  explicit SmallDataset(std::shared_ptr<const Segmentation> outline) : Dataset("small") {
    set_classes({"cat", "dog"}, {17, 18});
    add_image({.id = 5, .width = 60, .height = 50},
              {{.id = 1, .label = 1, .bbox = {2, 1, 7, 4}, .area = 20, .segmentation = outline},
               {.id = 1,
                .label = 0,
                .bbox = {20, 20, 9, 9},
                .area = 81,
                .difficult = true,
                .segmentation = outline},
               {.id = 2,
                .label = 0,
                .bbox = {30, 30, 9, 9},
                .area = 81,
                .crowd = true,
                .trainable = false,
                .segmentation = outline}});
    add_image({.id = 4, .width = 10, .height = 10}, {});
  }
};

TEST(CocoTruths, CarryAllOfTheDataset) {
  const EvalTruths truths = coco_truths(SmallDataset(nullptr));
  ASSERT_EQ(truths.images.size(), 2);
  EXPECT_EQ(truths.images[0].id, 5);
  EXPECT_EQ(truths.images[0].height, 50);
  ASSERT_EQ(truths.categories.size(), 2);
  EXPECT_EQ(truths.categories[1].id, 18);
  EXPECT_EQ(truths.categories[1].name, "dog");
  ASSERT_EQ(truths.annotations.size(), 3);
  EXPECT_EQ(truths.annotations[0].category_id, 18);
  EXPECT_EQ(truths.annotations[0].area, 20);
  EXPECT_EQ(truths.annotations[1].id, 3) << "the second annotation 1 gets an id of its own";
  EXPECT_TRUE(truths.annotations[1].ignore);
  EXPECT_TRUE(truths.annotations[2].crowd);
  EXPECT_EQ(evaluate_coco(truths, {}, CocoMetric::kBbox).ap(), 0);
}

TEST(CocoTruths, OutlinesBecomeMasks) {
  auto polygon = std::make_shared<Segmentation>();
  polygon->polygons = {{2, 1, 2, 5, 9, 5, 9, 1}};
  const RleMask mask = coco_truths(SmallDataset(polygon), CocoMetric::kSegm).annotations[0].mask;
  EXPECT_EQ(mask_area(mask), 28);
  auto counts = std::make_shared<Segmentation>();
  counts->counts = mask.counts;
  counts->height = 50;
  counts->width = 60;
  EXPECT_EQ(coco_truths(SmallDataset(counts), CocoMetric::kSegm).annotations[0].mask, mask);
  auto text = std::make_shared<Segmentation>();
  text->compressed = mask_to_string(mask);
  text->height = 50;
  text->width = 60;
  EXPECT_EQ(coco_truths(SmallDataset(text), CocoMetric::kSegm).annotations[0].mask, mask);
}

TEST(CocoTruths, MissingAndBrokenOutlinesAreNamed) {
  const auto error_of = [](std::shared_ptr<const Segmentation> outline) -> std::string {
    try {
      coco_truths(SmallDataset(outline), CocoMetric::kSegm);
    } catch (const DataError& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  EXPECT_EQ(error_of(nullptr), "[small] annotation 1 of image 5 has no segmentation");
  auto broken = std::make_shared<Segmentation>();
  broken->polygons = {{1, 2}};
  EXPECT_EQ(error_of(broken),
            "[small] annotation 1 of image 5: [mask] a polygon is an even count of at least 6 "
            "numbers, got 2");
}

}  // namespace
}  // namespace kestrel
