#pragma once

#include <ostream>

namespace kestrel {

/// A box in pixels, continuous coordinates: width = x2 - x1, no +1.
struct Box {
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;

  float width() const { return x2 - x1; }
  float height() const { return y2 - y1; }
  float area() const { return width() * height(); }
  friend bool operator==(const Box&, const Box&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Box& b) {
    return out << '[' << b.x1 << ", " << b.y1 << ", " << b.x2 << ", " << b.y2 << ']';
  }
};

}  // namespace kestrel
