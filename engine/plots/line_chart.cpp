#include <kestrel/engine/plots/line_chart.h>

#include <algorithm>
#include <cmath>

namespace kestrel {
namespace {

using Align = TextStyle::Align;

constexpr TextStyle kLabel{.size = 12, .colour = kFaintInk};
constexpr TextStyle kLegend{.size = 12};
constexpr double kSample = 18;      // length of a line in the legend
constexpr double kLegendGap = 16;   // between entries side by side
constexpr double kLegendLine = 18;  // between entries one above the other
constexpr size_t kMarked = 15;      // up to so many points are marked

double entry_width(Canvas& canvas, const std::string& name) {
  return kSample + 6 + canvas.text_width(name, kLegend);
}

void draw_entry(Canvas& canvas, double x, double y, const Series& series, const std::string& name) {
  canvas.line(x, y - 4, x + kSample, y - 4, series.colour, std::max(2.0, series.width));
  canvas.text(x + kSample + 6, y, name, kLegend);
}

std::vector<const Series*> named(const LineChart& chart) {
  std::vector<const Series*> result;
  for (const Series& series : chart.series) {
    if (!series.name.empty()) result.push_back(&series);
  }
  return result;
}

/// Takes the legend's room from `inner` and draws it there.
void place_legend(Canvas& canvas, Rect& inner, const LineChart& chart) {
  const auto entries = named(chart);
  if (entries.empty()) return;
  double row = 0, widest = 0;
  for (const Series* series : entries) {
    const double width = entry_width(canvas, series->name);
    row += width + kLegendGap;
    widest = std::max(widest, width);
  }
  if (row - kLegendGap <= inner.width) {
    double x = inner.x;
    for (const Series* series : entries) {
      draw_entry(canvas, x, inner.y + 10, *series, series->name);
      x += entry_width(canvas, series->name) + kLegendGap;
    }
    inner.y += 20;
    inner.height -= 20;
    return;
  }
  const double column = std::min(widest, inner.width * 0.35);
  inner.width -= column + 14;
  const auto rows = static_cast<size_t>(std::max(1.0, inner.height / kLegendLine));
  const bool cut = entries.size() > rows;
  for (size_t i = 0; i < std::min(entries.size(), rows); ++i) {
    const double y = inner.y + 10 + kLegendLine * static_cast<double>(i);
    if (cut && i + 1 == rows) {
      canvas.text(inner.right() + 14, y, "and " + std::to_string(entries.size() - i) + " more",
                  kLabel);
    } else {
      const double room = column - kSample - 6;
      draw_entry(canvas, inner.right() + 14, y, *entries[i],
                 fitted_text(canvas, entries[i]->name, room, kLegend));
    }
  }
}

/// The lines between gaps, in pixels.
std::vector<std::vector<std::array<double, 2>>> pieces(const Series& series, const Rect& inner,
                                                       const PlotAxis& x, const PlotAxis& y) {
  std::vector<std::vector<std::array<double, 2>>> result(1);
  for (size_t i = 0; i < std::min(series.x.size(), series.y.size()); ++i) {
    if (!std::isfinite(series.y[i]) || !std::isfinite(series.x[i])) {
      if (!result.back().empty()) result.emplace_back();
      continue;
    }
    result.back().push_back({inner.x + inner.width * x.place(series.x[i]),
                             inner.bottom() - inner.height * y.place(series.y[i])});
  }
  return result;
}

PlotAxis x_axis_of(const LineChart& chart, int64_t max_ticks) {
  double low = INFINITY, high = -INFINITY;
  for (const Series& series : chart.series) {
    for (const double x : series.x) {
      low = std::min(low, x);
      high = std::max(high, x);
    }
  }
  return exact_axis(low, high, max_ticks);
}

PlotAxis y_axis_of(const LineChart& chart, int64_t max_ticks) {
  std::vector<double> values;
  for (const Series& series : chart.series) {
    values.insert(values.end(), series.y.begin(), series.y.end());
  }
  return value_axis(values, max_ticks);
}

}  // namespace

void draw_axes(Canvas& canvas, const Rect& inner, const PlotAxis& x, const PlotAxis& y,
               const std::string& x_label, const std::string& y_label) {
  double widest = 0;
  for (const double tick : y.ticks) {
    const double at = std::round(inner.bottom() - inner.height * y.place(tick)) + 0.5;
    canvas.line(inner.x, at, inner.right(), at, kGridLine, 1);
    TextStyle style = kLabel;
    style.align = Align::Right;
    canvas.text(inner.x - 8, at + 4, y.text(tick), style);
    widest = std::max(widest, canvas.text_width(y.text(tick), style));
  }
  for (const double tick : x.ticks) {
    const double at = std::round(inner.x + inner.width * x.place(tick)) + 0.5;
    canvas.line(at, inner.y, at, inner.bottom(), kGridLine, 1);
    TextStyle style = kLabel;
    style.align = Align::Centre;
    canvas.text(at, inner.bottom() + 18, x.text(tick), style);
  }
  canvas.line(inner.x, inner.bottom() + 0.5, inner.right(), inner.bottom() + 0.5, kFaintInk, 1);
  TextStyle centred = kLabel;
  centred.align = Align::Centre;
  if (!x_label.empty()) {
    canvas.text(inner.x + inner.width / 2, inner.bottom() + 38, x_label, centred);
  }
  if (!y_label.empty()) {
    centred.angle = 90;
    canvas.text(inner.x - widest - 18, inner.y + inner.height / 2, y_label, centred);
  }
}

void draw_line_chart(Canvas& canvas, const Rect& area, const LineChart& chart) {
  canvas.text(area.x + 8, area.y + 20, chart.title, kChartTitle);
  Rect inner{area.x + (chart.y_label.empty() ? 52 : 70), area.y + 36, 0, 0};
  inner.width = area.right() - 20 - inner.x;
  inner.height = area.bottom() - (chart.x_label.empty() ? 28 : 50) - inner.y;
  place_legend(canvas, inner, chart);

  const auto x_ticks = static_cast<int64_t>(inner.width / 55);
  const auto y_ticks = static_cast<int64_t>(inner.height / 36);
  const PlotAxis x = chart.x_axis ? *chart.x_axis : x_axis_of(chart, x_ticks);
  const PlotAxis y = chart.y_axis ? *chart.y_axis : y_axis_of(chart, y_ticks);
  draw_axes(canvas, inner, x, y, chart.x_label, chart.y_label);

  bool empty = true;
  canvas.clip({inner.x - 5, inner.y - 2, inner.width + 10, inner.height + 7});
  for (const Series& series : chart.series) {
    for (const auto& piece : pieces(series, inner, x, y)) {
      if (piece.empty()) continue;
      empty = false;
      canvas.polyline(piece, series.colour, series.width);
      if (piece.size() > 1 && series.x.size() > kMarked) continue;
      for (const auto& [px, py] : piece) {
        canvas.dot(px, py, std::max(2.0, 1.6 * series.width), series.colour);
      }
    }
  }
  canvas.unclip();
  if (empty) {
    TextStyle style = kLabel;
    style.align = Align::Centre;
    canvas.text(inner.x + inner.width / 2, inner.y + inner.height / 2, "nothing to show yet",
                style);
  }
}

}  // namespace kestrel
