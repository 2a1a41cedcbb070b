#include <kestrel/data/transforms/instances.h>

#include <algorithm>

namespace kestrel {
namespace {

/// The map whose pixel (x, y) is that of the source at (columns[x], rows[y]); kNone for -1.
SemanticMap gather_map(const SemanticMap& source, const std::vector<int64_t>& rows,
                       const std::vector<int64_t>& columns) {
  SemanticMap result{std::ssize(rows), std::ssize(columns), {}};
  result.classes.reserve(rows.size() * columns.size());
  for (const int64_t row : rows) {
    for (const int64_t column : columns) {
      result.classes.push_back(
          row < 0 || column < 0 ? SemanticMap::kNone
                                : source.classes[static_cast<size_t>(row * source.width + column)]);
    }
  }
  return result;
}

/// The places of `count` rows or columns in a source of `size` that is moved by `by`.
std::vector<int64_t> moved(int64_t count, int64_t by, int64_t size) {
  std::vector<int64_t> places;
  for (int64_t i = -by; i < count - by; ++i) places.push_back(i >= 0 && i < size ? i : -1);
  return places;
}

}  // namespace

SemanticMap resized(const SemanticMap& map, int64_t height, int64_t width) {
  return gather_map(map, nearest_places(map.height, height), nearest_places(map.width, width));
}

void Instances::resize(ImageSize from, ImageSize to) {
  const float sx = static_cast<float>(to.width) / static_cast<float>(from.width);
  const float sy = static_cast<float>(to.height) / static_cast<float>(from.height);
  change_boxes([=](const Box& b) { return Box{b.x1 * sx, b.y1 * sy, b.x2 * sx, b.y2 * sy}; });
  for (InstanceMask& mask : masks) mask = mask.resized(to.height, to.width);
  if (!semantic.empty()) semantic = resized(semantic, to.height, to.width);
}

void Instances::mirror(int64_t width) {
  const auto w = static_cast<float>(width);
  change_boxes([=](const Box& b) { return Box{w - b.x2, b.y1, w - b.x1, b.y2}; });
  for (InstanceMask& mask : masks) mask = mask.mirrored();
  for (int64_t y = 0; y < semantic.height; ++y) {
    const auto row = semantic.classes.begin() + y * semantic.width;
    std::reverse(row, row + semantic.width);
  }
}

void Instances::turn_over(int64_t height) {
  const auto h = static_cast<float>(height);
  change_boxes([=](const Box& b) { return Box{b.x1, h - b.y2, b.x2, h - b.y1}; });
  for (InstanceMask& mask : masks) mask = mask.turned_over();
  for (int64_t y = 0; y < semantic.height / 2; ++y) {
    const auto row = semantic.classes.begin() + y * semantic.width;
    std::swap_ranges(row, row + semantic.width,
                     semantic.classes.begin() + (semantic.height - 1 - y) * semantic.width);
  }
}

void Instances::place(int64_t dx, int64_t dy, int64_t height, int64_t width) {
  const auto x = static_cast<float>(dx), y = static_cast<float>(dy);
  change_boxes([=](const Box& b) { return Box{b.x1 + x, b.y1 + y, b.x2 + x, b.y2 + y}; });
  for (InstanceMask& mask : masks) mask = mask.placed(dx, dy, height, width);
  if (semantic.empty()) return;
  semantic =
      gather_map(semantic, moved(height, dy, semantic.height), moved(width, dx, semantic.width));
}

void Instances::pad(int64_t height, int64_t width) {
  for (InstanceMask& mask : masks) mask = mask.placed(0, 0, height, width);
  if (semantic.empty()) return;
  semantic =
      gather_map(semantic, moved(height, 0, semantic.height), moved(width, 0, semantic.width));
}

void Instances::clip(int64_t height, int64_t width) {
  const auto w = static_cast<float>(width), h = static_cast<float>(height);
  change_boxes([=](const Box& b) {
    return Box{std::clamp(b.x1, 0.0F, w), std::clamp(b.y1, 0.0F, h), std::clamp(b.x2, 0.0F, w),
               std::clamp(b.y2, 0.0F, h)};
  });
}

}  // namespace kestrel
