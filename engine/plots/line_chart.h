#pragma once

#include <optional>
#include <string>
#include <vector>

#include <kestrel/engine/plots/axis.h>
#include <kestrel/engine/plots/canvas.h>

namespace kestrel {

/// The title of a chart that stands beside others.
inline constexpr TextStyle kChartTitle{.size = 15, .bold = true};

/// One line of a chart.
struct Series {
  std::string name{};     ///< In the legend; empty: not in it.
  std::vector<double> x;  ///< Ascending.
  std::vector<double> y;  ///< As many; one that is not finite is a gap in the line.
  Colour colour = kInk;
  double width = 2;
};

struct LineChart {
  std::string title{};
  std::string x_label{};
  std::string y_label{};
  std::vector<Series> series{};
  std::optional<PlotAxis> x_axis{};  ///< By default from the first x to the last.
  std::optional<PlotAxis> y_axis{};  ///< By default value_axis of what is drawn.
};

/// Draws a chart into a part of a picture, with its title, axes, grid and a legend, which stands
/// above the lines where it fits and else at their right. Few points of a series are marked by
/// dots; a point alone always is. A chart without any finite value says so.
void draw_line_chart(Canvas& canvas, const Rect& area, const LineChart& chart);

/// Grid, ticks and labels of a chart around its inner rectangle.
void draw_axes(Canvas& canvas, const Rect& inner, const PlotAxis& x, const PlotAxis& y,
               const std::string& x_label, const std::string& y_label);

}  // namespace kestrel
