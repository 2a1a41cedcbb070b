#include <kestrel/engine/records/pictures.h>

#include <algorithm>
#include <ranges>
#include <vector>

#include <kestrel/engine/plots/canvas.h>

namespace kestrel {
namespace {

struct Caption {
  Rect area;
  TextStyle style;
};

/// Nothing overlaps what has no width.
bool overlap(const Rect& a, const Rect& b) {
  return a.width > 0 && b.width > 0 && a.x < b.right() && b.x < a.right() && a.y < b.bottom() &&
         b.y < a.bottom();
}

/// Above the box, else inside its upper or below its lower edge: the first place in the picture
/// that no caption before has; where there is none, the first in the picture.
Rect place_caption(const Box& box, double width, double height, const Image& image,
                   const std::vector<Caption>& before) {
  const double x =
      std::clamp<double>(box.x1, 0, std::max(0.0, static_cast<double>(image.width) - width));
  std::vector<Rect> places;
  for (const double y : {box.y1 - height, static_cast<double>(box.y1), static_cast<double>(box.y2),
                         box.y2 - height}) {
    if (y >= 0 && y + height <= static_cast<double>(image.height)) {
      places.push_back({x, y, width, height});
    }
  }
  if (places.empty()) return {x, std::max<double>(0, box.y1), width, height};
  const auto taken = [&](const Rect& place) {
    return std::any_of(before.begin(), before.end(),
                       [&](const Caption& other) { return overlap(place, other.area); });
  };
  const auto found = std::find_if_not(places.begin(), places.end(), taken);
  return found == places.end() ? places.front() : *found;
}

}  // namespace

Image draw_boxes(const Image& image, std::span<const DrawnBox> boxes) {
  Canvas canvas(image);
  const auto side = static_cast<double>(std::min(image.width, image.height));
  const double line = std::max(1.5, side / 250);
  const double font = std::max(9.0, side / 32);
  const double pad = font * 0.25;
  std::vector<Caption> captions;
  for (const DrawnBox& item : boxes) {
    const Colour colour = box_colour(item.label);
    const bool light = 0.3 * colour.r + 0.6 * colour.g + 0.1 * colour.b > 0.5;
    const TextStyle style{.size = font, .bold = true, .colour = light ? Colour{} : kWhite};
    const double width =
        item.caption.empty() ? 0 : canvas.text_width(item.caption, style) + 2 * pad;
    captions.push_back({place_caption(item.box, width, font + pad, image, captions), style});
  }
  for (const DrawnBox& item : std::views::reverse(boxes)) {
    canvas.stroke_rect({item.box.x1, item.box.y1, item.box.width(), item.box.height()},
                       box_colour(item.label), line, item.dashed);
  }
  for (size_t i = boxes.size(); i-- > 0;) {
    if (boxes[i].caption.empty()) continue;
    const auto& [area, style] = captions[i];
    canvas.fill_rect(area, box_colour(boxes[i].label).with_alpha(0.85));
    canvas.text(area.x + pad, area.y + font * 0.95, boxes[i].caption, style);
  }
  return canvas.to_image();
}

Image contact_sheet(std::span<const Image> pictures, std::span<const std::string> titles,
                    int64_t columns, int64_t cell_width, int64_t cell_height) {
  constexpr double kGap = 6;
  constexpr Colour kGround{0.11, 0.12, 0.14};
  const TextStyle style{.size = 13, .colour = {0.9, 0.9, 0.9}};
  const double title = titles.empty() ? 0 : 20;
  const auto count = static_cast<int64_t>(pictures.size());
  columns = std::clamp<int64_t>(columns, 1, std::max<int64_t>(1, count));
  const int64_t rows = std::max<int64_t>(1, (count + columns - 1) / columns);
  const auto width = static_cast<double>(cell_width), height = static_cast<double>(cell_height);
  const double step_x = width + kGap;
  const double step_y = height + title + kGap;
  Canvas sheet(static_cast<int64_t>(step_x * static_cast<double>(columns) + kGap),
               static_cast<int64_t>(step_y * static_cast<double>(rows) + kGap), kGround);
  for (int64_t i = 0; i < count; ++i) {
    const Image& picture = pictures[static_cast<size_t>(i)];
    const double x = kGap + step_x * static_cast<double>(i % columns);
    const double y = kGap + step_y * static_cast<double>(i / columns);
    if (!titles.empty()) {
      const std::string& text = titles[static_cast<size_t>(i)];
      sheet.text(x, y + 14, fitted_text(sheet, text, width, style), style);
    }
    if (picture.empty()) continue;
    const double scale = std::min(width / static_cast<double>(picture.width),
                                  height / static_cast<double>(picture.height));
    sheet.image(picture, {x, y + title, scale * static_cast<double>(picture.width),
                          scale * static_cast<double>(picture.height)});
  }
  return sheet.to_image();
}

}  // namespace kestrel
