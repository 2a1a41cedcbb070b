#include <kestrel/engine/plots/canvas.h>

#include <cairo/cairo.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

constexpr std::array<Colour, 10> kBoxColours = {{{0.90, 0.62, 0.00},
                                                 {0.34, 0.71, 0.91},
                                                 {0.00, 0.75, 0.52},
                                                 {0.95, 0.90, 0.25},
                                                 {0.84, 0.37, 0.00},
                                                 {0.80, 0.47, 0.65},
                                                 {0.30, 0.45, 0.95},
                                                 {0.55, 0.85, 0.25},
                                                 {0.95, 0.30, 0.35},
                                                 {0.65, 0.55, 0.95}}};

constexpr std::array<Colour, 7> kLineColours = {{{0.00, 0.45, 0.70},
                                                 {0.84, 0.37, 0.00},
                                                 {0.00, 0.62, 0.45},
                                                 {0.80, 0.47, 0.65},
                                                 {0.90, 0.62, 0.00},
                                                 {0.34, 0.71, 0.91},
                                                 {0.35, 0.35, 0.35}}};

constexpr std::array<Colour, 5> kHeat = {{{0.97, 0.98, 1.00},
                                          {0.78, 0.86, 0.94},
                                          {0.42, 0.68, 0.84},
                                          {0.13, 0.44, 0.71},
                                          {0.03, 0.19, 0.42}}};

template <size_t N>
Colour repeated(const std::array<Colour, N>& colours, int64_t index) {
  const auto count = static_cast<int64_t>(N);
  return colours[static_cast<size_t>(((index % count) + count) % count)];
}

/// Length of the valid UTF-8 sequence that the text starts with; 0 where it starts with none.
size_t sequence_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool too_long = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool surrogate = first == 0xED && byte(1) >= 0xA0;
  const bool too_large = first == 0xF4 && byte(1) >= 0x90;
  return too_long || surrogate || too_large ? 0 : length;
}

/// cairo stops drawing for good at text that is not UTF-8, and names come from people's files.
std::string valid_utf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const size_t length = sequence_length(text);
    if (length == 0) {
      valid += '?';
    } else {
      valid += text.substr(0, length);
    }
    text.remove_prefix(std::max<size_t>(1, length));
  }
  return valid;
}

}  // namespace

Colour line_colour(int64_t index) {
  return repeated(kLineColours, index);
}

Colour box_colour(int64_t label) {
  return repeated(kBoxColours, label);
}

Colour heat_colour(double value) {
  const double at = std::clamp(value, 0.0, 1.0) * (kHeat.size() - 1);
  const size_t i = std::min(static_cast<size_t>(at), kHeat.size() - 2);
  const double t = at - static_cast<double>(i);
  const Colour &low = kHeat[i], &high = kHeat[i + 1];
  return {std::lerp(low.r, high.r, t), std::lerp(low.g, high.g, t), std::lerp(low.b, high.b, t)};
}

Canvas::Canvas(int64_t width, int64_t height, const Colour& ground)
    : surface_(cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(width),
                                          static_cast<int>(height)),
               cairo_surface_destroy),
      context_(cairo_create(surface_.get()), cairo_destroy) {
  KESTREL_CHECK(cairo_surface_status(surface_.get()) == CAIRO_STATUS_SUCCESS,
                "[canvas] a picture of ", width, " x ", height,
                " cannot be drawn: ", cairo_status_to_string(cairo_surface_status(surface_.get())));
  use(ground);
  cairo_paint(context_.get());
}

Canvas::Canvas(const Image& image) : Canvas(image.width, image.height) {
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

Image Canvas::to_image() {
  const cairo_status_t status = cairo_status(context_.get());
  KESTREL_CHECK(status == CAIRO_STATUS_SUCCESS,
                "[canvas] drawing failed: ", cairo_status_to_string(status));
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

void Canvas::fill_rect(const Rect& rect, const Colour& colour) {
  use(colour);
  cairo_rectangle(context_.get(), rect.x, rect.y, rect.width, rect.height);
  cairo_fill(context_.get());
}

void Canvas::stroke_rect(const Rect& rect, const Colour& colour, double width, bool dashed) {
  use(colour);
  const std::array<double, 2> dashes = {3 * width, 2 * width};
  cairo_set_dash(context_.get(), dashes.data(), dashed ? 2 : 0, 0);
  cairo_set_line_width(context_.get(), width);
  cairo_rectangle(context_.get(), rect.x, rect.y, rect.width, rect.height);
  cairo_stroke(context_.get());
}

void Canvas::line(double x1, double y1, double x2, double y2, const Colour& colour, double width) {
  polyline(std::array<std::array<double, 2>, 2>{{{x1, y1}, {x2, y2}}}, colour, width);
}

void Canvas::dot(double x, double y, double radius, const Colour& colour) {
  use(colour);
  cairo_arc(context_.get(), x, y, radius, 0, 2 * std::numbers::pi);
  cairo_fill(context_.get());
}

void Canvas::polyline(std::span<const std::array<double, 2>> points, const Colour& colour,
                      double width, bool dashed) {
  if (points.empty()) return;
  use(colour);
  const std::array<double, 2> dashes = {4 * width, 3 * width};
  cairo_set_dash(context_.get(), dashes.data(), dashed ? 2 : 0, 0);
  cairo_set_line_width(context_.get(), width);
  cairo_set_line_join(context_.get(), CAIRO_LINE_JOIN_ROUND);
  cairo_move_to(context_.get(), points[0][0], points[0][1]);
  for (const auto& [x, y] : points.subspan(1)) cairo_line_to(context_.get(), x, y);
  cairo_stroke(context_.get());
}

void Canvas::text(double x, double y, std::string_view text, const TextStyle& style) {
  const double width = text_width(text, style);
  const double shift = style.align == TextStyle::Align::Left     ? 0
                       : style.align == TextStyle::Align::Centre ? -width / 2
                                                                 : -width;
  use(style.colour);
  cairo_save(context_.get());
  cairo_translate(context_.get(), x, y);
  cairo_rotate(context_.get(), -style.angle * std::numbers::pi / 180);
  cairo_move_to(context_.get(), shift, 0);
  cairo_show_text(context_.get(), valid_utf8(text).c_str());
  cairo_restore(context_.get());
  cairo_new_path(context_.get());
}

double Canvas::text_width(std::string_view text, const TextStyle& style) {
  use_font(style);
  cairo_text_extents_t extents;
  cairo_text_extents(context_.get(), valid_utf8(text).c_str(), &extents);
  return extents.x_advance;
}

void Canvas::image(const Image& image, const Rect& rect) {
  if (image.empty()) return;
  Canvas source(image);
  cairo_save(context_.get());
  cairo_translate(context_.get(), rect.x, rect.y);
  cairo_scale(context_.get(), rect.width / static_cast<double>(image.width),
              rect.height / static_cast<double>(image.height));
  cairo_set_source_surface(context_.get(), source.surface_.get(), 0, 0);
  cairo_pattern_set_filter(cairo_get_source(context_.get()), CAIRO_FILTER_GOOD);
  cairo_pattern_set_extend(cairo_get_source(context_.get()), CAIRO_EXTEND_PAD);
  cairo_rectangle(context_.get(), 0, 0, static_cast<double>(image.width),
                  static_cast<double>(image.height));
  cairo_fill(context_.get());
  cairo_restore(context_.get());
}

void Canvas::clip(const Rect& rect) {
  cairo_rectangle(context_.get(), rect.x, rect.y, rect.width, rect.height);
  cairo_clip(context_.get());
}

void Canvas::unclip() {
  cairo_reset_clip(context_.get());
}

void Canvas::use(const Colour& colour) {
  cairo_set_source_rgba(context_.get(), colour.r, colour.g, colour.b, colour.a);
}

void Canvas::use_font(const TextStyle& style) {
  cairo_select_font_face(context_.get(), "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                         style.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(context_.get(), style.size);
}

unsigned char* Canvas::pixels() {
  return cairo_image_surface_get_data(surface_.get());
}

int64_t Canvas::stride() {
  return cairo_image_surface_get_stride(surface_.get());
}

std::string fitted_text(Canvas& canvas, const std::string& text, double width,
                        const TextStyle& style) {
  if (canvas.text_width(text, style) <= width) return text;
  size_t length = text.size();
  std::string cut;
  do {
    // Whole characters: continuation bytes of UTF-8 go with the byte before them.
    do --length;
    while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80);
    cut = text.substr(0, length) + "...";
  } while (length > 0 && canvas.text_width(cut, style) > width);
  return cut;
}

}  // namespace kestrel
