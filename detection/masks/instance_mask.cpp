#include <kestrel/detection/masks/instance_mask.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

/// Pixels column by column, as run lengths have them.
std::vector<uint8_t> column_major(const RleMask& mask) {
  std::vector<uint8_t> pixels;
  pixels.reserve(static_cast<size_t>(mask.height * mask.width));
  for (size_t i = 0; i < mask.counts.size(); ++i) {
    pixels.insert(pixels.end(), mask.counts[i], static_cast<uint8_t>(i % 2));
  }
  return pixels;
}

/// The mask whose pixel (x, y) is that of the source at (columns[x], rows[y]); -1 stands for a
/// place outside, which is 0.
RleMask gather(const RleMask& source, const std::vector<int64_t>& columns,
               const std::vector<int64_t>& rows) {
  const std::vector<uint8_t> pixels = column_major(source);
  RleMask result{std::ssize(rows), std::ssize(columns), {0}};
  uint8_t current = 0;
  for (const int64_t column : columns) {
    const uint8_t* from = column < 0 ? nullptr : pixels.data() + column * source.height;
    for (const int64_t row : rows) {
      const uint8_t value = from && row >= 0 ? from[row] : 0;
      if (value != current) result.counts.push_back(0);
      current = value;
      ++result.counts.back();
    }
  }
  return result;
}

/// 0, 1, ..., count - 1, moved by `by` within a source of `size`; -1 outside.
std::vector<int64_t> moved_places(int64_t count, int64_t by, int64_t size) {
  std::vector<int64_t> places(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t from = i - by;
    places[static_cast<size_t>(i)] = from >= 0 && from < size ? from : -1;
  }
  return places;
}

/// size - 1, ..., 0.
std::vector<int64_t> reversed_places(int64_t size) {
  std::vector<int64_t> places = moved_places(size, 0, size);
  std::ranges::reverse(places);
  return places;
}

/// x to x * scale_x + move_x, y likewise.
Polygons changed(Polygons polygons, double scale_x, double move_x, double scale_y, double move_y) {
  for (std::vector<double>& polygon : polygons) {
    for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
      polygon[i] = polygon[i] * scale_x + move_x;
      polygon[i + 1] = polygon[i + 1] * scale_y + move_y;
    }
  }
  return polygons;
}

/// What of a polygon lies on one side of a line: coordinate `axis` (0 for x) at most, or at least,
/// a limit. Sutherland and Hodgman's way.
std::vector<double> cut(const std::vector<double>& polygon, size_t axis, double limit, bool most) {
  const auto inside = [&](const double* p) { return most ? p[axis] <= limit : p[axis] >= limit; };
  std::vector<double> result;
  for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
    const double* from = polygon.data() + (i == 0 ? polygon.size() - 2 : i - 2);
    const double* to = polygon.data() + i;
    if (inside(from) != inside(to)) {
      const double share = (limit - from[axis]) / (to[axis] - from[axis]);
      double crossing[2] = {from[0] + share * (to[0] - from[0]),
                            from[1] + share * (to[1] - from[1])};
      crossing[axis] = limit;
      result.insert(result.end(), crossing, crossing + 2);
    }
    if (inside(to)) result.insert(result.end(), to, to + 2);
  }
  return result;
}

/// What of polygons lies within an image.
Polygons within(const Polygons& polygons, double height, double width) {
  Polygons result;
  for (std::vector<double> polygon : polygons) {
    if (polygon.size() % 2 != 0) return polygons;  // is refused when it is drawn
    for (const size_t axis : {size_t{0}, size_t{1}}) {
      polygon = cut(cut(polygon, axis, 0, false), axis, axis == 0 ? width : height, true);
    }
    if (polygon.size() >= 6) result.push_back(std::move(polygon));
  }
  return result;
}

}  // namespace

std::vector<int64_t> nearest_places(int64_t from, int64_t to) {
  // OpenCV divides twice.
  const double factor = 1 / (static_cast<double>(to) / static_cast<double>(from));
  std::vector<int64_t> places(static_cast<size_t>(to));
  for (int64_t i = 0; i < to; ++i) {
    const auto place = static_cast<int64_t>(std::floor(static_cast<double>(i) * factor));
    places[static_cast<size_t>(i)] = std::min(place, from - 1);
  }
  return places;
}

InstanceMask::InstanceMask(Polygons polygons, int64_t height, int64_t width)
    : shape_(std::move(polygons)), height_(height), width_(width) {}

InstanceMask::InstanceMask(RleMask mask) : height_(mask.height), width_(mask.width) {
  check_mask(mask);
  shape_ = std::move(mask);
}

const Polygons& InstanceMask::polygons() const {
  KESTREL_CHECK(is_polygons(), "[mask] this mask is of pixels, not of polygons");
  return std::get<Polygons>(shape_);
}

RleMask InstanceMask::rle() const {
  if (!is_polygons()) return std::get<RleMask>(shape_);
  if (polygons().empty()) return {height_, width_, {static_cast<uint32_t>(height_ * width_)}};
  return mask_from_polygons(polygons(), height_, width_);
}

InstanceMask InstanceMask::resized(int64_t height, int64_t width) const {
  if (is_polygons()) {
    const double x = static_cast<double>(width) / static_cast<double>(width_);
    const double y = static_cast<double>(height) / static_cast<double>(height_);
    return {changed(polygons(), x, 0, y, 0), height, width};
  }
  return InstanceMask(gather(std::get<RleMask>(shape_), nearest_places(width_, width),
                             nearest_places(height_, height)));
}

InstanceMask InstanceMask::mirrored() const {
  if (is_polygons()) {
    return {changed(polygons(), -1, static_cast<double>(width_), 1, 0), height_, width_};
  }
  return InstanceMask(gather(std::get<RleMask>(shape_), reversed_places(width_),
                             moved_places(height_, 0, height_)));
}

InstanceMask InstanceMask::turned_over() const {
  if (is_polygons()) {
    return {changed(polygons(), 1, 0, -1, static_cast<double>(height_)), height_, width_};
  }
  return InstanceMask(
      gather(std::get<RleMask>(shape_), moved_places(width_, 0, width_), reversed_places(height_)));
}

InstanceMask InstanceMask::placed(int64_t dx, int64_t dy, int64_t height, int64_t width) const {
  if (is_polygons()) {
    // A canvas that shows more than this one must not show what was cropped away before.
    const bool shows_more = dx > 0 || dy > 0 || dx + width_ < width || dy + height_ < height;
    Polygons shown =
        shows_more ? within(polygons(), static_cast<double>(height_), static_cast<double>(width_))
                   : polygons();
    return {changed(std::move(shown), 1, static_cast<double>(dx), 1, static_cast<double>(dy)),
            height, width};
  }
  return InstanceMask(gather(std::get<RleMask>(shape_), moved_places(width, dx, width_),
                             moved_places(height, dy, height_)));
}

}  // namespace kestrel
