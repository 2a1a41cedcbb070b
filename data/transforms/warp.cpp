#include <algorithm>
#include <cmath>

#include <kestrel/data/transforms/warp.h>
#include <kestrel/kernels/error.h>

namespace kestrel {

AffineMap AffineMap::after(const AffineMap& first) const {
  const auto& b = first.a;
  return {{a[0] * b[0] + a[1] * b[3], a[0] * b[1] + a[1] * b[4], a[0] * b[2] + a[1] * b[5] + a[2],
           a[3] * b[0] + a[4] * b[3], a[3] * b[1] + a[4] * b[4], a[3] * b[2] + a[4] * b[5] + a[5]}};
}

AffineMap AffineMap::inverse() const {
  const double d = a[0] * a[4] - a[1] * a[3];
  if (!(std::abs(d) > 1e-12)) fail<UsageError>("[warp] the map flattens the picture");
  return {{a[4] / d, -a[1] / d, (a[1] * a[5] - a[4] * a[2]) / d, -a[3] / d, a[0] / d,
           (a[3] * a[2] - a[0] * a[5]) / d}};
}

Box mapped(const AffineMap& map, const Box& box) {
  std::array<double, 2> low = map.of(box.x1, box.y1), high = low;
  for (const auto& [x, y] :
       {map.of(box.x1, box.y2), map.of(box.x2, box.y2), map.of(box.x2, box.y1)}) {
    low = {std::min(low[0], x), std::min(low[1], y)};
    high = {std::max(high[0], x), std::max(high[1], y)};
  }
  return {static_cast<float>(low[0]), static_cast<float>(low[1]), static_cast<float>(high[0]),
          static_cast<float>(high[1])};
}

Image warp(const Image& image, const AffineMap& map, int64_t height, int64_t width,
           const std::array<uint8_t, 3>& fill) {
  // Places are in 1/32 of a pixel, weights in 1/1024, as OpenCV's.
  static constexpr int32_t kPlaces = 32;
  static constexpr double kFarthest = 1e8;
  const AffineMap back = map.inverse();
  Image out(height, width);
  const auto place = [](double v) {
    return static_cast<int32_t>(std::lrint(std::clamp(v * kPlaces, -kFarthest, kFarthest)));
  };
  const auto tap = [&](int64_t x, int64_t y) {
    const bool inside = x >= 0 && x < image.width && y >= 0 && y < image.height;
    return inside ? image.row(y) + 3 * x : fill.data();
  };
  const auto blend = [](const uint8_t* p, const uint8_t* q, const uint8_t* r, const uint8_t* s,
                        int32_t ax, int32_t ay, uint8_t* to) {
    for (int c = 0; c < 3; ++c) {
      const int32_t above = p[c] * (kPlaces - ax) + q[c] * ax;
      const int32_t below = r[c] * (kPlaces - ax) + s[c] * ax;
      to[c] = static_cast<uint8_t>((above * (kPlaces - ay) + below * ay + 512) >> 10);
    }
  };
  for (int64_t y = 0; y < height; ++y) {
    uint8_t* row = out.row(y);
    for (int64_t x = 0; x < width; ++x, row += 3) {
      const auto [u, v] = back.of(static_cast<double>(x), static_cast<double>(y));
      const int32_t fx = place(u), fy = place(v);
      const int64_t sx = fx >> 5, sy = fy >> 5;
      if (sx >= 0 && sy >= 0 && sx + 1 < image.width && sy + 1 < image.height) {
        const uint8_t* p = image.row(sy) + 3 * sx;
        const uint8_t* r = p + 3 * image.width;
        blend(p, p + 3, r, r + 3, fx & 31, fy & 31, row);
      } else if (sx < -1 || sy < -1 || sx >= image.width || sy >= image.height) {
        std::copy(fill.begin(), fill.end(), row);
      } else {
        blend(tap(sx, sy), tap(sx + 1, sy), tap(sx, sy + 1), tap(sx + 1, sy + 1), fx & 31, fy & 31,
              row);
      }
    }
  }
  return out;
}

}  // namespace kestrel
