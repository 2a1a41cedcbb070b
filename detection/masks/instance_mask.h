#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include <kestrel/detection/masks/rle_mask.h>

namespace kestrel {

/// Polygons of one object, each x0, y0, x1, y1, ... in pixels of the image.
using Polygons = std::vector<std::vector<double>>;

/// The pixels of one object in an image of a certain size. It stays what it was read as, polygons
/// or run lengths, also where the image is transformed: polygons are moved and scaled exactly, and
/// pixels taken to their nearest place as OpenCV's INTER_NEAREST does, which is what MMDetection's
/// PolygonMasks and BitmapMasks do.
class InstanceMask {
 public:
  /// No pixels of an image of 0 x 0.
  InstanceMask() = default;
  /// Without polygons it has no pixels.
  InstanceMask(Polygons polygons, int64_t height, int64_t width);
  /// Throws DataError where the runs do not add up.
  explicit InstanceMask(RleMask mask);

  int64_t height() const { return height_; }
  int64_t width() const { return width_; }
  bool is_polygons() const { return std::holds_alternative<Polygons>(shape_); }
  /// Throws for one of pixels.
  const Polygons& polygons() const;

  /// Run lengths; polygons are drawn as the COCO authors' code does. Throws DataError for polygons
  /// that cannot be drawn.
  RleMask rle() const;
  /// Height * width bytes in row-major order, 0 or 1.
  std::vector<uint8_t> pixels() const { return mask_to_pixels(rle()); }

  /// The mask after the same was done to its image.
  InstanceMask resized(int64_t height, int64_t width) const;
  InstanceMask mirrored() const;     ///< Left and right.
  InstanceMask turned_over() const;  ///< Top and bottom.
  /// On a canvas of another size, moved by (dx, dy): cropped, padded or put elsewhere.
  InstanceMask placed(int64_t dx, int64_t dy, int64_t height, int64_t width) const;

 private:
  std::variant<RleMask, Polygons> shape_;
  int64_t height_ = 0, width_ = 0;
};

/// The source row or column of each of `to` ones that `from` are resized to, by OpenCV's
/// INTER_NEAREST.
std::vector<int64_t> nearest_places(int64_t from, int64_t to);

}  // namespace kestrel
