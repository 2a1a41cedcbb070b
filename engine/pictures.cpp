#include <kestrel/engine/pictures.h>

#include <cairo/cairo.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

struct Colour {
  double r, g, b;
};

// Colours that stay apart on photographs and for colour-blind eyes (Okabe and Ito, and more).
constexpr std::array<Colour, 10> kPalette = {{{0.90, 0.62, 0.00},
                                              {0.34, 0.71, 0.91},
                                              {0.00, 0.75, 0.52},
                                              {0.95, 0.90, 0.25},
                                              {0.84, 0.37, 0.00},
                                              {0.80, 0.47, 0.65},
                                              {0.30, 0.45, 0.95},
                                              {0.55, 0.85, 0.25},
                                              {0.95, 0.30, 0.35},
                                              {0.65, 0.55, 0.95}}};

Colour colour_of(int64_t label) {
  const auto count = static_cast<int64_t>(kPalette.size());
  return kPalette[static_cast<size_t>(((label % count) + count) % count)];
}

/// A cairo surface with the pixels of an image, and back.
class Canvas {
 public:
  Canvas(int64_t width, int64_t height)
      : surface_(cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(width),
                                            static_cast<int>(height)),
                 cairo_surface_destroy),
        context_(cairo_create(surface_.get()), cairo_destroy) {
    KESTREL_CHECK(cairo_surface_status(surface_.get()) == CAIRO_STATUS_SUCCESS,
                  "[pictures] a picture of ", width, " x ", height, " cannot be drawn: ",
                  cairo_status_to_string(cairo_surface_status(surface_.get())));
  }
  explicit Canvas(const Image& image) : Canvas(image.width, image.height) {
    cairo_surface_flush(surface_.get());
    for (int64_t y = 0; y < image.height; ++y) {
      const uint8_t* from = image.row(y);
      auto* to = reinterpret_cast<uint32_t*>(pixels() + y * stride());
      for (int64_t x = 0; x < image.width; ++x, from += 3) {
        to[x] = (uint32_t{from[0]} << 16) | (uint32_t{from[1]} << 8) | from[2];
      }
    }
    cairo_surface_mark_dirty(surface_.get());
  }

  cairo_t* context() { return context_.get(); }
  cairo_surface_t* surface() { return surface_.get(); }

  Image to_image() {
    cairo_surface_flush(surface_.get());
    Image image(cairo_image_surface_get_height(surface_.get()),
                cairo_image_surface_get_width(surface_.get()));
    for (int64_t y = 0; y < image.height; ++y) {
      uint8_t* to = image.row(y);
      const auto* from = reinterpret_cast<const uint32_t*>(pixels() + y * stride());
      for (int64_t x = 0; x < image.width; ++x, to += 3) {
        to[0] = static_cast<uint8_t>(from[x] >> 16);
        to[1] = static_cast<uint8_t>(from[x] >> 8);
        to[2] = static_cast<uint8_t>(from[x]);
      }
    }
    return image;
  }

 private:
  unsigned char* pixels() { return cairo_image_surface_get_data(surface_.get()); }
  int64_t stride() { return cairo_image_surface_get_stride(surface_.get()); }

  std::unique_ptr<cairo_surface_t, void (*)(cairo_surface_t*)> surface_;
  std::unique_ptr<cairo_t, void (*)(cairo_t*)> context_;
};

void use_font(cairo_t* context, double size, bool bold) {
  cairo_select_font_face(context, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                         bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(context, size);
}

void draw_caption(cairo_t* context, const DrawnBox& item, double font, const Image& image) {
  use_font(context, font, true);
  cairo_text_extents_t extents;
  cairo_text_extents(context, item.caption.c_str(), &extents);
  const double pad = font * 0.25;
  const double width = extents.x_advance + 2 * pad;
  const double height = font + pad;
  const double x =
      std::clamp<double>(item.box.x1, 0, std::max(0.0, static_cast<double>(image.width) - width));
  const double above = item.box.y1 - height;
  const double y = above >= 0 ? above : std::max<double>(0, item.box.y1);
  const Colour colour = colour_of(item.label);
  cairo_set_source_rgba(context, colour.r, colour.g, colour.b, 0.85);
  cairo_rectangle(context, x, y, width, height);
  cairo_fill(context);
  const bool light = 0.3 * colour.r + 0.6 * colour.g + 0.1 * colour.b > 0.5;
  cairo_set_source_rgb(context, light ? 0 : 1, light ? 0 : 1, light ? 0 : 1);
  cairo_move_to(context, x + pad, y + font * 0.95);
  cairo_show_text(context, item.caption.c_str());
}

}  // namespace

Image draw_boxes(const Image& image, std::span<const DrawnBox> boxes) {
  Canvas canvas(image);
  cairo_t* context = canvas.context();
  const auto side = static_cast<double>(std::min(image.width, image.height));
  const double line = std::max(1.5, side / 250);
  const double font = std::max(9.0, side / 32);
  for (const DrawnBox& item : boxes) {
    const Colour colour = colour_of(item.label);
    const std::array<double, 2> dashes = {3 * line, 2 * line};
    cairo_set_dash(context, dashes.data(), item.dashed ? 2 : 0, 0);
    cairo_set_line_width(context, line);
    cairo_set_source_rgb(context, colour.r, colour.g, colour.b);
    cairo_rectangle(context, item.box.x1, item.box.y1, item.box.width(), item.box.height());
    cairo_stroke(context);
  }
  for (const DrawnBox& item : boxes) {
    if (!item.caption.empty()) draw_caption(context, item, font, image);
  }
  return canvas.to_image();
}

Image contact_sheet(std::span<const Image> pictures, std::span<const std::string> titles,
                    int64_t columns, int64_t cell_width, int64_t cell_height) {
  constexpr double kGap = 6;
  const double title = titles.empty() ? 0 : 20;
  const auto count = static_cast<int64_t>(pictures.size());
  columns = std::clamp<int64_t>(columns, 1, std::max<int64_t>(1, count));
  const int64_t rows = std::max<int64_t>(1, (count + columns - 1) / columns);
  const double step_x = static_cast<double>(cell_width) + kGap;
  const double step_y = static_cast<double>(cell_height) + title + kGap;
  Canvas sheet(static_cast<int64_t>(step_x * static_cast<double>(columns) + kGap),
               static_cast<int64_t>(step_y * static_cast<double>(rows) + kGap));
  cairo_t* context = sheet.context();
  cairo_set_source_rgb(context, 0.11, 0.12, 0.14);
  cairo_paint(context);
  for (int64_t i = 0; i < count; ++i) {
    const Image& picture = pictures[static_cast<size_t>(i)];
    const double x = kGap + step_x * static_cast<double>(i % columns);
    const double y = kGap + step_y * static_cast<double>(i / columns);
    if (!titles.empty()) {
      use_font(context, 13, false);
      cairo_set_source_rgb(context, 0.9, 0.9, 0.9);
      cairo_move_to(context, x, y + 14);
      cairo_show_text(context, titles[static_cast<size_t>(i)].c_str());
    }
    if (picture.empty()) continue;
    Canvas source(picture);
    const double scale =
        std::min(static_cast<double>(cell_width) / static_cast<double>(picture.width),
                 static_cast<double>(cell_height) / static_cast<double>(picture.height));
    cairo_save(context);
    cairo_translate(context, x, y + title);
    cairo_scale(context, scale, scale);
    cairo_set_source_surface(context, source.surface(), 0, 0);
    cairo_pattern_set_filter(cairo_get_source(context), CAIRO_FILTER_GOOD);
    cairo_paint(context);
    cairo_restore(context);
  }
  return sheet.to_image();
}

}  // namespace kestrel
