#pragma once

#include <array>

#include <kestrel/data/image.h>
#include <kestrel/kernels/common/box.h>

namespace kestrel {

/// A map of the plane that keeps lines parallel: x' = a[0] x + a[1] y + a[2], y' = a[3] x + a[4] y
/// + a[5].
struct AffineMap {
  std::array<double, 6> a{1, 0, 0, 0, 1, 0};

  std::array<double, 2> of(double x, double y) const {
    return {a[0] * x + a[1] * y + a[2], a[3] * x + a[4] * y + a[5]};
  }
  /// First the other one, then this.
  AffineMap after(const AffineMap& first) const;
  /// Throws UsageError for a map that flattens the plane.
  AffineMap inverse() const;
};

/// The box around the corners of a box that is mapped.
Box mapped(const AffineMap& map, const Box& box);

/// Pixel (x, y) goes to map(x, y), on a canvas of another size: bilinear, `fill` where nothing is,
/// as OpenCV's warpPerspective (at most one level from it).
Image warp(const Image& image, const AffineMap& map, int64_t height, int64_t width,
           const std::array<uint8_t, 3>& fill);

}  // namespace kestrel
