#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <kestrel/detection/masks/instance_mask.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

/// A mask of pixels from rows of '#' and '.'.
InstanceMask drawn(const std::vector<std::string>& rows) {
  std::vector<uint8_t> pixels;
  for (const std::string& row : rows) {
    for (const char c : row) pixels.push_back(c == '#');
  }
  return InstanceMask(mask_from_pixels(pixels, std::ssize(rows), std::ssize(rows[0])));
}

std::vector<std::string> rows_of(const InstanceMask& mask) {
  const std::vector<uint8_t> pixels = mask.pixels();
  std::vector<std::string> rows;
  for (int64_t y = 0; y < mask.height(); ++y) {
    std::string row;
    for (int64_t x = 0; x < mask.width(); ++x) {
      row += pixels[static_cast<size_t>(y * mask.width() + x)] ? '#' : '.';
    }
    rows.push_back(row);
  }
  return rows;
}

using Rows = std::vector<std::string>;
const Rows kHook{"##..", "#...", "#..#"};

TEST(InstanceMask, OfPixelsFollowsItsImage) {
  EXPECT_EQ(rows_of(drawn(kHook)), kHook);
  EXPECT_EQ(rows_of(drawn(kHook).mirrored()), (Rows{"..##", "...#", "#..#"}));
  EXPECT_EQ(rows_of(drawn(kHook).turned_over()), (Rows{"#..#", "#...", "##.."}));
  // A crop, a pad, an expansion, and away.
  EXPECT_EQ(rows_of(drawn(kHook).placed(-1, -1, 2, 3)), (Rows{"...", "..#"}));
  EXPECT_EQ(rows_of(drawn(kHook).placed(0, 0, 4, 5)), (Rows{"##...", "#....", "#..#.", "....."}));
  EXPECT_EQ(rows_of(drawn(kHook).placed(1, 2, 5, 5)),
            (Rows{".....", ".....", ".##..", ".#...", ".#..#"}));
  EXPECT_EQ(rows_of(drawn(kHook).placed(9, 0, 1, 2)), (Rows{".."}));
}

// cv2.resize(..., interpolation=cv2.INTER_NEAREST) of OpenCV 4: see tests/golden/instance_masks.py.
TEST(InstanceMask, OfPixelsIsResizedAsOpenCvDoes) {
  EXPECT_EQ(rows_of(drawn(kHook).resized(6, 8)),
            (Rows{"####....", "####....", "##......", "##......", "##....##", "##....##"}));
  EXPECT_EQ(rows_of(drawn(kHook).resized(2, 3)), (Rows{"##.", "#.."}));
  EXPECT_EQ(rows_of(drawn(kHook).resized(4, 5)), (Rows{"###..", "###..", "##...", "##..#"}));
  EXPECT_EQ(rows_of(drawn(kHook).resized(7, 9)),
            (Rows{"#####....", "#####....", "#####....", "###......", "###......", "###....##",
                  "###....##"}));
}

TEST(InstanceMask, OfPolygonsStaysPolygons) {
  const InstanceMask mask({{1, 1, 3, 1, 3, 4}, {5, 5, 7, 5, 7, 7, 5, 7}}, 8, 10);
  EXPECT_EQ(mask.resized(16, 5).polygons(),
            (Polygons{{0.5, 2, 1.5, 2, 1.5, 8}, {2.5, 10, 3.5, 10, 3.5, 14, 2.5, 14}}));
  EXPECT_EQ(mask.mirrored().polygons()[0], (std::vector<double>{9, 1, 7, 1, 7, 4}));
  EXPECT_EQ(mask.turned_over().polygons()[0], (std::vector<double>{1, 7, 3, 7, 3, 4}));
  const InstanceMask moved = mask.placed(-2, 3, 20, 4);
  EXPECT_EQ(moved.polygons()[0], (std::vector<double>{-1, 4, 1, 4, 1, 7}));
  EXPECT_EQ(moved.height(), 20);
  EXPECT_EQ(moved.width(), 4);
  EXPECT_THROW(drawn(kHook).polygons(), Error);
}

TEST(InstanceMask, WhatWasCroppedAwayStaysAway) {
  for (const bool polygons : {true, false}) {
    InstanceMask mask({{1, 1, 6, 1, 6, 6, 1, 6}, {8, 1, 9, 1, 9, 2}}, 8, 10);
    if (!polygons) mask = InstanceMask(mask.rle());
    // A crop to 5 x 4 at (2, 3), on a canvas around it.
    const InstanceMask shown = mask.placed(-2, -3, 4, 5).placed(2, 1, 6, 8);
    EXPECT_EQ(rows_of(shown),
              (Rows{"........", "..####..", "..####..", "..####..", "........", "........"}));
    EXPECT_EQ(mask_area(mask.placed(-20, 0, 8, 10).placed(20, 0, 8, 40).rle()), 0);
  }
}

TEST(InstanceMask, OfPolygonsIsDrawnWhenPixelsAreAsked) {
  const InstanceMask square({{1, 1, 4, 1, 4, 3, 1, 3}}, 4, 6);
  EXPECT_EQ(rows_of(square), (Rows{"......", ".###..", ".###..", "......"}));
  // Drawn late or early: whole pixels agree.
  EXPECT_EQ(rows_of(square.mirrored()), rows_of(InstanceMask(square.rle()).mirrored()));
  EXPECT_EQ(rows_of(square.resized(8, 12)), rows_of(InstanceMask(square.rle()).resized(8, 12)));
  EXPECT_EQ(rows_of(square.placed(-2, 0, 4, 4)),
            rows_of(InstanceMask(square.rle()).placed(-2, 0, 4, 4)));
  EXPECT_EQ(mask_area(square.placed(50, 50, 4, 6).rle()), 0);
  EXPECT_THROW(InstanceMask(Polygons{{1, 2}}, 4, 6).rle(), DataError);
  EXPECT_THROW(InstanceMask(RleMask{2, 2, {3}}), DataError);
}

}  // namespace
}  // namespace kestrel
