#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include <kestrel/data/datasets/shape_outline.h>

namespace kestrel {
namespace {

constexpr double kRingHole = 0.55;    // inner over outer radius
constexpr double kStarWaist = 0.42;   // inner over outer radius
constexpr double kCrossWidth = 0.34;  // half the arm over the radius

}  // namespace

ShapeOutline::ShapeOutline(ShapeKind kind, double cx, double cy, double radius, double aspect,
                           double angle)
    : kind_(kind),
      cx_(cx),
      cy_(cy),
      radius_(radius),
      aspect_(aspect),
      cos_(std::cos(angle)),
      sin_(std::sin(angle)) {
  const auto add = [&](double x, double y) {
    corners_.push_back({x * radius, y * radius * aspect});
  };
  const auto on_circle = [&](double turn, double r) {
    const double phi = 2 * std::numbers::pi * turn - std::numbers::pi / 2;  // from the top
    add(r * std::cos(phi), r * std::sin(phi));
  };
  switch (kind) {
    case ShapeKind::Circle:
    case ShapeKind::Ring:
      break;
    case ShapeKind::Rectangle:
      for (const auto& [x, y] : {std::pair(-1, -1), {1, -1}, {1, 1}, {-1, 1}}) {
        add(x * std::numbers::sqrt2 / 2, y * std::numbers::sqrt2 / 2);
      }
      break;
    case ShapeKind::Triangle:
      for (int i = 0; i < 3; ++i) on_circle(i / 3.0, 1);
      break;
    case ShapeKind::Star:
      for (int i = 0; i < 10; ++i) on_circle(i / 10.0, i % 2 == 0 ? 1 : kStarWaist);
      break;
    case ShapeKind::Cross: {
      const double w = kCrossWidth;
      for (const auto& [x, y] : {std::pair(-w, -1.0),
                                 {w, -1.0},
                                 {w, -w},
                                 {1.0, -w},
                                 {1.0, w},
                                 {w, w},
                                 {w, 1.0},
                                 {-w, 1.0},
                                 {-w, w},
                                 {-1.0, w},
                                 {-1.0, -w},
                                 {-w, -w}}) {
        add(x, y);
      }
      break;
    }
  }
}

double ShapeOutline::distance(double x, double y) const {
  const double dx = x - cx_, dy = y - cy_;
  const double u = cos_ * dx + sin_ * dy, v = -sin_ * dx + cos_ * dy;
  if (!corners_.empty()) return polygon_distance(u, v);
  // An ellipse as a stretched circle: exact on the edge, scaled to pixels by the gradient there.
  const double r = std::hypot(u, v / aspect_);
  const double gradient = r > 0 ? std::hypot(u, v / (aspect_ * aspect_)) / r : 1;
  double d = r - radius_;
  if (kind_ == ShapeKind::Ring) {
    const double middle = radius_ * (1 + kRingHole) / 2;
    d = std::abs(r - middle) - (radius_ - middle);
  }
  return d / std::max(gradient, 1e-6);
}

double ShapeOutline::polygon_distance(double x, double y) const {
  double nearest = std::numeric_limits<double>::infinity();
  bool inside = false;
  for (size_t i = 0, j = corners_.size() - 1; i < corners_.size(); j = i++) {
    const Point a = corners_[i], b = corners_[j];
    const double ex = b.x - a.x, ey = b.y - a.y, px = x - a.x, py = y - a.y;
    const double t = std::clamp((px * ex + py * ey) / (ex * ex + ey * ey), 0.0, 1.0);
    const double qx = px - t * ex, qy = py - t * ey;
    nearest = std::min(nearest, qx * qx + qy * qy);
    if ((a.y > y) != (b.y > y) && x < ex * (y - a.y) / ey + a.x) inside = !inside;
  }
  return inside ? -std::sqrt(nearest) : std::sqrt(nearest);
}

}  // namespace kestrel
