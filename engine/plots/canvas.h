#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <kestrel/data/image.h>

struct _cairo;
struct _cairo_surface;

namespace kestrel {

struct Colour {
  double r = 0, g = 0, b = 0, a = 1;

  Colour with_alpha(double alpha) const { return {r, g, b, alpha}; }
};

/// Text and lines of plots, on white.
inline constexpr Colour kInk{0.16, 0.17, 0.20};
inline constexpr Colour kFaintInk{0.45, 0.47, 0.51};
inline constexpr Colour kGridLine{0.90, 0.91, 0.93};
inline constexpr Colour kWhite{1, 1, 1};

/// Colours of lines on white that colour-blind eyes keep apart too (Okabe and Ito); they repeat.
Colour line_colour(int64_t index);
/// Colours of boxes on photographs; they repeat.
Colour box_colour(int64_t label);
/// 0 is almost white, 1 a dark blue; monotone in lightness.
Colour heat_colour(double value);

/// A part of a picture in pixels; y grows downward.
struct Rect {
  double x = 0, y = 0, width = 0, height = 0;

  double right() const { return x + width; }
  double bottom() const { return y + height; }
};

struct TextStyle {
  enum class Align { Left, Centre, Right };

  double size = 12;
  bool bold = false;
  Colour colour = kInk;
  Align align = Align::Left;
  double angle = 0;  ///< Degrees, counter-clockwise.
};

/// A picture that is drawn on, through cairo.
class Canvas {
 public:
  Canvas(int64_t width, int64_t height, const Colour& ground = kWhite);
  explicit Canvas(const Image& image);

  Image to_image();

  void fill_rect(const Rect& rect, const Colour& colour);
  void stroke_rect(const Rect& rect, const Colour& colour, double width, bool dashed = false);
  void line(double x1, double y1, double x2, double y2, const Colour& colour, double width);
  void dot(double x, double y, double radius, const Colour& colour);
  /// Lines from point to point, joined roundly.
  void polyline(std::span<const std::array<double, 2>> points, const Colour& colour, double width,
                bool dashed = false);
  /// Text on a base line that passes through (x, y). Bytes that are not UTF-8 become '?'.
  void text(double x, double y, std::string_view text, const TextStyle& style = {});
  double text_width(std::string_view text, const TextStyle& style = {});
  /// Scales an image into a rectangle.
  void image(const Image& image, const Rect& rect);

  /// Nothing outside of the rectangle is drawn until unclip().
  void clip(const Rect& rect);
  void unclip();

 private:
  void use(const Colour& colour);
  void use_font(const TextStyle& style);
  unsigned char* pixels();
  int64_t stride();

  std::unique_ptr<_cairo_surface, void (*)(_cairo_surface*)> surface_;
  std::unique_ptr<_cairo, void (*)(_cairo*)> context_;
};

/// The text cut to a width, with "..." at its end where something is missing.
std::string fitted_text(Canvas& canvas, const std::string& text, double width,
                        const TextStyle& style);

}  // namespace kestrel
