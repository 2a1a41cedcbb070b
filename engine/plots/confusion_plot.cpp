#include <kestrel/engine/plots/confusion_plot.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <kestrel/engine/plots/canvas.h>

namespace kestrel {
namespace {

using Align = TextStyle::Align;

/// Sizes that follow from the number of rows.
struct Layout {
  double cell = 0;
  double font = 0;   ///< Of names and shares.
  double names = 0;  ///< Room for them at the left and below.
  Rect grid;
};

Layout layout_of(Canvas& ruler, const std::vector<std::string>& names) {
  Layout layout;
  const auto rows = static_cast<double>(names.size());
  layout.cell = std::clamp(std::floor(900 / rows), 11.0, 84.0);
  layout.font = std::clamp(layout.cell * 0.62, 7.0, 13.0);
  for (const std::string& name : names) {
    layout.names = std::max(layout.names, ruler.text_width(name, {.size = layout.font}));
  }
  layout.names = std::clamp(layout.names, 50.0, 180.0);
  // Wide enough for the title even with one class.
  const double side = layout.cell * rows;
  layout.grid = {layout.names + 44, 64, side, side};
  return layout;
}

void draw_scale(Canvas& canvas, const Rect& bar) {
  constexpr int kSteps = 64;
  for (int i = 0; i < kSteps; ++i) {
    const double value = (i + 0.5) / kSteps;
    const double height = bar.height / kSteps;
    canvas.fill_rect({bar.x, bar.bottom() - height * (i + 1), bar.width, height + 0.5},
                     heat_colour(value));
  }
  for (const double value : {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}) {
    canvas.text(bar.right() + 6, bar.bottom() - value * bar.height + 4,
                fmt::format("{:.1f}", value), {.size = 11, .colour = kFaintInk});
  }
}

void draw_cell(Canvas& canvas, const Rect& cell, double share, double font) {
  canvas.fill_rect(cell, heat_colour(share));
  if (share < 0.005 || cell.width < 22) return;
  canvas.text(cell.x + cell.width / 2, cell.y + cell.height / 2 + font * 0.36,
              fmt::format("{:.2f}", share),
              {.size = std::min(font, cell.width * 0.38),
               .colour = share > 0.55 ? kWhite : kInk,
               .align = Align::Centre});
}

void draw_names(Canvas& canvas, const Layout& layout, const std::vector<std::string>& names) {
  const Rect& grid = layout.grid;
  const TextStyle row{.size = layout.font, .align = Align::Right};
  const bool upright = layout.names <= layout.cell;
  const TextStyle column{.size = layout.font,
                         .align = upright ? Align::Centre : Align::Right,
                         .angle = upright ? 0.0 : 90.0};
  for (size_t i = 0; i < names.size(); ++i) {
    const double middle = (static_cast<double>(i) + 0.5) * layout.cell;
    const std::string name = fitted_text(canvas, names[i], layout.names, row);
    canvas.text(grid.x - 8, grid.y + middle + layout.font * 0.36, name, row);
    const double x = grid.x + middle + (upright ? 0 : layout.font * 0.36);
    canvas.text(x, grid.bottom() + (upright ? 8 + layout.font : 8), name, column);
  }
}

}  // namespace

Image confusion_plot(const ConfusionMatrix& matrix) {
  std::vector<std::string> names = matrix.classes;
  names.emplace_back("background");
  Canvas ruler(8, 8);
  const Layout layout = layout_of(ruler, names);
  const Rect& grid = layout.grid;
  const double below = (layout.names <= layout.cell ? 24 : layout.names + 12) + 34;
  Canvas canvas(static_cast<int64_t>(std::max(grid.right() + 90, 520.0)),
                static_cast<int64_t>(grid.bottom() + below));
  canvas.text(16, 30, "Confusion matrix", {.size = 17, .bold = true});
  canvas.text(16, 49, "share of the objects of each true class; score > 0.25, IoU > 0.45",
              {.size = 11.5, .colour = kFaintInk});
  for (int64_t truth = 0; truth < matrix.size(); ++truth) {
    const auto sum = static_cast<double>(std::max<int64_t>(1, matrix.column_sum(truth)));
    for (int64_t predicted = 0; predicted < matrix.size(); ++predicted) {
      const Rect cell{grid.x + layout.cell * static_cast<double>(truth),
                      grid.y + layout.cell * static_cast<double>(predicted), layout.cell,
                      layout.cell};
      draw_cell(canvas, cell, static_cast<double>(matrix.at(predicted, truth)) / sum, layout.font);
    }
  }
  for (int64_t i = 0; i <= matrix.size() && layout.cell >= 16; ++i) {
    const double at = layout.cell * static_cast<double>(i);
    canvas.line(grid.x + at, grid.y, grid.x + at, grid.bottom(), kWhite, 1);
    canvas.line(grid.x, grid.y + at, grid.right(), grid.y + at, kWhite, 1);
  }
  canvas.stroke_rect(grid, kGridLine, 1);
  draw_names(canvas, layout, names);
  const TextStyle label{.size = 13, .colour = kFaintInk, .align = Align::Centre};
  canvas.text(grid.x + grid.width / 2, grid.bottom() + below - 14, "true class", label);
  TextStyle upright = label;
  upright.angle = 90;
  canvas.text(24, grid.y + grid.height / 2, "predicted class", upright);
  draw_scale(canvas, {grid.right() + 24, grid.y, 14, std::min(grid.height, 420.0)});
  return canvas.to_image();
}

}  // namespace kestrel
