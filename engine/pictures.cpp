#include <kestrel/engine/pictures.h>

#include <algorithm>

#include <kestrel/engine/plots/canvas.h>

namespace kestrel {
namespace {

void draw_caption(Canvas& canvas, const DrawnBox& item, double font, const Image& image) {
  const Colour colour = box_colour(item.label);
  const bool light = 0.3 * colour.r + 0.6 * colour.g + 0.1 * colour.b > 0.5;
  const TextStyle style{.size = font, .bold = true, .colour = light ? Colour{} : kWhite};
  const double pad = font * 0.25;
  const double width = canvas.text_width(item.caption, style) + 2 * pad;
  const double height = font + pad;
  const double x =
      std::clamp<double>(item.box.x1, 0, std::max(0.0, static_cast<double>(image.width) - width));
  const double above = item.box.y1 - height;
  const double y = above >= 0 ? above : std::max<double>(0, item.box.y1);
  canvas.fill_rect({x, y, width, height}, colour.with_alpha(0.85));
  canvas.text(x + pad, y + font * 0.95, item.caption, style);
}

}  // namespace

Image draw_boxes(const Image& image, std::span<const DrawnBox> boxes) {
  Canvas canvas(image);
  const auto side = static_cast<double>(std::min(image.width, image.height));
  const double line = std::max(1.5, side / 250);
  const double font = std::max(9.0, side / 32);
  for (const DrawnBox& item : boxes) {
    canvas.stroke_rect({item.box.x1, item.box.y1, item.box.width(), item.box.height()},
                       box_colour(item.label), line, item.dashed);
  }
  for (const DrawnBox& item : boxes) {
    if (!item.caption.empty()) draw_caption(canvas, item, font, image);
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
