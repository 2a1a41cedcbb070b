#pragma once

#include <vector>

namespace kestrel {

/// The kinds of shapes, in the order of shape_names().
enum class ShapeKind { Circle, Rectangle, Triangle, Star, Cross, Ring };

/// A shape as an anti-aliased rasteriser needs it: how far a point is from its edge.
class ShapeOutline {
 public:
  /// Centre and half the diameter in pixels; `aspect` is height / width; `angle` in radians.
  ShapeOutline(ShapeKind kind, double cx, double cy, double radius, double aspect, double angle);

  /// Pixels from (x, y) to the edge, negative inside (for ellipses nearly so).
  double distance(double x, double y) const;

 private:
  struct Point {
    double x, y;
  };
  double polygon_distance(double x, double y) const;

  ShapeKind kind_;
  double cx_, cy_, radius_, aspect_, cos_, sin_;
  std::vector<Point> corners_;  // empty for circle and ring
};

}  // namespace kestrel
