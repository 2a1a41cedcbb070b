#include <kestrel/engine/plots/precision_recall.h>

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include <kestrel/engine/plots/line_chart.h>

namespace kestrel {
namespace {

constexpr int64_t kPrWidth = 1000, kPrHeight = 720;
constexpr size_t kNamed = 20;

}  // namespace

Image precision_recall_plot(const EvalReport& report) {
  std::vector<PrecisionCurve> curves = report.curves;
  std::ranges::stable_sort(curves, std::greater(), &PrecisionCurve::ap);

  LineChart chart{.title = "Precision and recall at IoU 0.5",
                  .x_label = "recall",
                  .y_label = "precision",
                  .x_axis = exact_axis(0, 1, 10),
                  .y_axis = exact_axis(0, 1, 10)};
  const bool named = curves.size() <= kNamed;
  if (curves.size() > 1) {
    chart.series.push_back(
        {.name = fmt::format("mean of {} classes, {:.3f}", curves.size(), report.mean_curve.ap),
         .x = report.mean_curve.recall,
         .y = report.mean_curve.precision,
         .colour = kInk,
         .width = 3.5});
  }
  for (size_t i = 0; i < curves.size(); ++i) {
    Series series{.x = curves[i].recall, .y = curves[i].precision};
    if (named) series.name = fmt::format("{}, {:.3f}", curves[i].name, curves[i].ap);
    series.colour = named ? line_colour(static_cast<int64_t>(i)) : kFaintInk.with_alpha(0.25);
    series.width = named ? 1.8 : 1;
    chart.series.push_back(std::move(series));
  }
  // Drawn first to last: the mean goes on top, and yet comes first in the legend.
  if (curves.size() > 1) {
    Series top = chart.series.front();
    top.name.clear();
    chart.series.push_back(std::move(top));
  }
  Canvas canvas(kPrWidth, kPrHeight);
  draw_line_chart(canvas, {8, 4, kPrWidth - 16.0, kPrHeight - 8.0}, chart);
  return canvas.to_image();
}

}  // namespace kestrel
