#include <kestrel/detection/masks/rle_mask.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include <kestrel/kernels/error.h>

#include "../support/error_of.h"

namespace kestrel {
namespace {

RleMask random_mask(std::mt19937& random, int64_t height, int64_t width, uint64_t one_in) {
  std::vector<uint8_t> pixels(height * width);
  for (auto& pixel : pixels) pixel = random() % one_in == 0;
  return mask_from_pixels(pixels, height, width);
}

TEST(Mask, RunsAreColumnMajorAndStartWithZeros) {
  const std::vector<uint8_t> pixels{0, 1, 1,  //
                                    0, 1, 0};
  EXPECT_EQ(mask_from_pixels(pixels, 2, 3).counts, (std::vector<uint32_t>{2, 3, 1}));
  EXPECT_EQ(mask_from_pixels(std::vector<uint8_t>{1, 0}, 2, 1).counts,
            (std::vector<uint32_t>{0, 1, 1}));
}

TEST(Mask, PixelsAndTextRoundTrip) {
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    const int64_t height = 1 + random() % 40, width = 1 + random() % 40;
    const RleMask mask = random_mask(random, height, width, 1 + random() % 30);
    EXPECT_EQ(mask_from_pixels(mask_to_pixels(mask), height, width), mask);
    EXPECT_EQ(mask_from_string(mask_to_string(mask), height, width), mask);
    const std::vector<int64_t> counts(mask.counts.begin(), mask.counts.end());
    EXPECT_EQ(mask_from_counts(counts, height, width), mask);
  }
}

TEST(Mask, LongRunsRoundTripAsText) {
  const RleMask mask{60000, 60000, {5, 3599999000u, 1, 900, 94}};
  EXPECT_EQ(mask_from_string(mask_to_string(mask), 60000, 60000), mask);
}

TEST(Mask, EmptySizesAreLegal) {
  EXPECT_EQ(mask_area(mask_from_string("", 0, 0)), 0);
  EXPECT_EQ(mask_area(mask_from_counts({}, 0, 7)), 0);
  EXPECT_EQ(mask_box(mask_from_counts({}, 0, 7)), (std::array<double, 4>{0, 0, 0, 0}));
  EXPECT_EQ(mask_iou(mask_from_counts({}, 0, 0), mask_from_counts({}, 0, 0)), 0);
}

TEST(Mask, AreaBoxMergeAndIouAgreeWithPixels) {
  std::mt19937 random(2);
  for (int i = 0; i < 200; ++i) {
    const int64_t height = 1 + random() % 12, width = 1 + random() % 12;
    const RleMask a = random_mask(random, height, width, 1 + random() % 8);
    const RleMask b = random_mask(random, height, width, 1 + random() % 8);
    const auto pa = mask_to_pixels(a), pb = mask_to_pixels(b);
    std::vector<uint8_t> any(pa.size()), both(pa.size());
    int64_t area = 0, area_any = 0, area_both = 0, x1 = width, y1 = height, x2 = -1, y2 = -1;
    for (int64_t p = 0; p < std::ssize(pa); ++p) {
      any[p] = pa[p] || pb[p];
      both[p] = pa[p] && pb[p];
      area += pa[p];
      area_any += any[p];
      area_both += both[p];
      if (!pa[p]) continue;
      x1 = std::min(x1, p % width);
      x2 = std::max(x2, p % width);
      y1 = std::min(y1, p / width);
      y2 = std::max(y2, p / width);
    }
    EXPECT_EQ(mask_area(a), area);
    const std::array<double, 4> box =
        area == 0 ? std::array<double, 4>{}
                  : std::array<double, 4>{double(x1), double(y1), double(x2 - x1 + 1),
                                          double(y2 - y1 + 1)};
    EXPECT_EQ(mask_box(a), box);
    EXPECT_EQ(mask_to_pixels(mask_merge(std::array{a, b})), any);
    EXPECT_EQ(mask_to_pixels(mask_merge(std::array{a, b}, MaskMerge::kIntersection)), both);
    const auto share = [&](int64_t of) {
      return area_both == 0 ? 0. : double(area_both) / double(of);
    };
    EXPECT_EQ(mask_iou(a, b), share(area_any));
    EXPECT_EQ(mask_iou(b, a), share(area_any));
    EXPECT_EQ(mask_iou(a, b, true), share(area));
  }
}

TEST(Mask, EmptyRunsInsideAreNoObstacle) {
  const RleMask split{2, 3, {1, 2, 0, 1, 0, 0, 2}}, whole{2, 3, {1, 3, 2}};
  EXPECT_EQ(mask_area(split), 3);
  EXPECT_EQ(mask_iou(split, whole), 1);
  EXPECT_EQ(mask_iou(split, split), 1);
  EXPECT_EQ(mask_box(split), mask_box(whole));
  EXPECT_EQ(mask_merge(std::array{split, split}), whole);
}

TEST(Mask, WholePixelRectangleHasItsArea) {
  const std::vector<double> box{2, 1, 2, 5, 9, 5, 9, 1};
  const RleMask mask = mask_from_polygon(box, 8, 12);
  EXPECT_EQ(mask_area(mask), 28);
  EXPECT_EQ(mask_box(mask), (std::array<double, 4>{2, 1, 7, 4}));
}

TEST(Mask, PolygonsOutsideTheImageAreCut) {
  EXPECT_EQ(mask_area(mask_from_polygon(std::vector<double>{-5, -5, 20, -5, 20, 20, -5, 20}, 6, 7)),
            42);
  EXPECT_EQ(mask_area(mask_from_polygon(std::vector<double>{20, 1, 30, 1, 30, 5}, 6, 7)), 0);
  EXPECT_EQ(mask_area(mask_from_polygon(std::vector<double>{3, 3, 3, 3, 3, 3}, 6, 7)), 0);
}

// Texts of pycocotools 2.0, frPyObjects on 40 x 50.
TEST(Mask, PointsFarOutsideCostNothing) {
  const auto text = [](std::vector<double> xy) {
    return mask_to_string(mask_from_polygon(xy, 40, 50));
  };
  EXPECT_EQ(text({-1e6, -1e6, 9.5, 4.5, 1e6, 1e6, 5, 1e6}),
            "0`71gI1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1O1OQ5");
  EXPECT_EQ(text({20.3, -1e6, 22.7, 1e6, 10.1, 1e6}), "hb0h8PS1");
  // Walked point by point, these would take minutes.
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 2000; ++i)
    EXPECT_EQ(text({-900000.5, -3, 30, -999999, 999999, 40.25}), "0b0f0" + std::string(98, '0'));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(Mask, MovingAPolygonByWholePixelsMovesItsMask) {
  std::mt19937 random(3);
  for (int i = 0; i < 50; ++i) {
    std::vector<double> xy, moved;
    for (int n = 0; n < 10; ++n) {
      xy.push_back(1 + double(random() % 800) / 50);
      moved.push_back(xy.back() + (n % 2 ? 3 : 7));
    }
    const RleMask a = mask_from_polygon(xy, 40, 40), b = mask_from_polygon(moved, 40, 40);
    const auto pa = mask_to_pixels(a), pb = mask_to_pixels(b);
    ASSERT_EQ(mask_area(a), mask_area(b));
    for (int64_t y = 0; y < 30; ++y)
      for (int64_t x = 0; x < 30; ++x) ASSERT_EQ(pa[y * 40 + x], pb[(y + 3) * 40 + x + 7]);
  }
}

TEST(Mask, SeveralPolygonsAreTheirUnion) {
  const std::vector<std::vector<double>> parts{{0, 0, 0, 2, 2, 2, 2, 0}, {1, 1, 1, 4, 4, 4, 4, 1}};
  EXPECT_EQ(mask_area(mask_from_polygons(parts, 5, 5)), 4 + 9 - 1);
}

TEST(Mask, MalformedInputIsNamed) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto polygon = [](std::vector<double> xy) {
    return test::error_of<DataError>([&] { mask_from_polygon(xy, 10, 10); });
  };
  EXPECT_EQ(test::error_of<DataError>([] {
              mask_from_counts(std::array<int64_t, 2>{3, 4}, 2, 4);
            }),
            "[mask] run lengths add up to 7, but 2 x 4 is 8 pixels");
  EXPECT_EQ(test::error_of<DataError>([] {
              mask_from_counts(std::array<int64_t, 2>{9, -1}, 2, 4);
            }),
            "[mask] run length 1 must be from 0 to 8, got -1");
  EXPECT_EQ(test::error_of<DataError>([] {
              check_mask({2, 4, {1, 2}});
            }),
            "[mask] run lengths add up to 3, but 2 x 4 is 8 pixels");
  EXPECT_EQ(test::error_of<DataError>([] { mask_from_string("2 3", 2, 4); }),
            "[mask] character 1 of compressed counts has code 32; it must be from '0' to 'o'");
  EXPECT_EQ(test::error_of<DataError>([] { mask_from_string("2p", 2, 4); }),
            "[mask] character 1 of compressed counts has code 112; it must be from '0' to 'o'");
  EXPECT_EQ(test::error_of<DataError>([] { mask_from_string("2P", 2, 4); }),
            "[mask] compressed counts end inside a number, after 2 characters");
  EXPECT_EQ(test::error_of<DataError>([] { mask_from_string("oooooooooooooooo", 2, 4); }),
            "[mask] the number at character 8 of compressed counts has more than 8 digits");
  EXPECT_EQ(test::error_of<DataError>([] { mask_from_string("O", 2, 4); }),
            "[mask] run length 0 must be from 0 to 8, got -1");
  EXPECT_EQ(test::error_of<DataError>([] { mask_from_string("22", 2, 4); }),
            "[mask] run lengths add up to 4, but 2 x 4 is 8 pixels");
  EXPECT_EQ(test::error_of<DataError>([] { mask_from_counts({}, -1, 4); }),
            "[mask] size must be of at least 0 and below 2^32 pixels, got -1 x 4");
  EXPECT_EQ(
      test::error_of<DataError>([] { mask_from_string("", int64_t{1} << 40, int64_t{1} << 40); }),
      "[mask] size must be of at least 0 and below 2^32 pixels, got 1099511627776 x "
      "1099511627776");
  EXPECT_EQ(polygon({1, 2, 3, 4, 5, 6, 7}),
            "[mask] a polygon is an even count of at least 6 numbers, got 7");
  EXPECT_EQ(polygon({1, 2, 3, 4}),
            "[mask] a polygon is an even count of at least 6 numbers, got 4");
  EXPECT_EQ(polygon({1, 2, 3, nan, 5, 6}),
            "[mask] number 3 of a polygon must be within +-1e6, got nan");
  EXPECT_EQ(polygon({1, 2, 3, 4, 5, -1e300}),
            "[mask] number 5 of a polygon must be within +-1e6, got -1e+300");
  EXPECT_EQ(test::error_of<DataError>([] { mask_from_polygons({}, 5, 5); }),
            "[mask] a list of polygons must not be empty");
  EXPECT_THROW(mask_merge({}), Error);
  EXPECT_THROW(mask_iou({2, 2, {4}}, {1, 4, {4}}), Error);
}

TEST(Mask, BoxIou) {
  EXPECT_EQ(coco_box_iou({0, 0, 2, 2}, {1, 0, 2, 2}), 2. / 6);
  EXPECT_EQ(coco_box_iou({0, 0, 2, 2}, {1, 0, 2, 2}, true), .5);
  EXPECT_EQ(coco_box_iou({0, 0, 2, 2}, {2, 0, 2, 2}), 0);
  EXPECT_EQ(coco_box_iou({1, 1, 0, 0}, {0, 0, 2, 2}), 0);
}

}  // namespace
}  // namespace kestrel
