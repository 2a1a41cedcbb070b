#include <kestrel/engine/plots/precision_recall.h>

#include <fmt/format.h>

#include <algorithm>

#include <kestrel/engine/plots/line_chart.h>

namespace kestrel {
namespace {

constexpr int64_t kPrWidth = 1000, kPrHeight = 720;
constexpr size_t kNamed = 20;

std::vector<double> recalls() {
  std::vector<double> x;
  for (int64_t r = 0; r < CocoEvalResult::kRecalls; ++r) x.push_back(static_cast<double>(r) / 100);
  return x;
}

}  // namespace

Image precision_recall_plot(const CocoEvalResult& result) {
  std::vector<int64_t> classes;
  std::vector<double> mean(CocoEvalResult::kRecalls, 0.0);
  for (int64_t k = 0; k < std::ssize(result.categories); ++k) {
    const std::vector<double> precision = result.precision_recall(k);
    if (precision.empty()) continue;
    classes.push_back(k);
    for (size_t r = 0; r < mean.size(); ++r) mean[r] += precision[r];
  }
  std::ranges::stable_sort(classes, std::greater(),
                           [&](int64_t k) { return result.class_ap50[static_cast<size_t>(k)]; });

  LineChart chart{.title = "Precision and recall at IoU 0.5",
                  .x_label = "recall",
                  .y_label = "precision",
                  .x_axis = exact_axis(0, 1, 10),
                  .y_axis = exact_axis(0, 1, 10)};
  const bool named = classes.size() <= kNamed;
  if (classes.size() > 1) {
    for (double& value : mean) value /= static_cast<double>(classes.size());
    chart.series.push_back(
        {.name = fmt::format("mean of {} classes, {:.3f}", classes.size(), result.ap50()),
         .x = recalls(),
         .y = mean,
         .colour = kInk,
         .width = 3.5});
  }
  for (size_t i = 0; i < classes.size(); ++i) {
    const auto k = static_cast<size_t>(classes[i]);
    const std::string& name = result.categories[k].name;
    Series series{.x = recalls(), .y = result.precision_recall(classes[i])};
    if (named) series.name = fmt::format("{}, {:.3f}", name, result.class_ap50[k]);
    series.colour = named ? line_colour(static_cast<int64_t>(i)) : kFaintInk.with_alpha(0.25);
    series.width = named ? 1.8 : 1;
    chart.series.push_back(std::move(series));
  }
  // Drawn first to last: the mean goes on top, and yet comes first in the legend.
  if (classes.size() > 1) {
    Series top = chart.series.front();
    top.name.clear();
    chart.series.push_back(std::move(top));
  }
  Canvas canvas(kPrWidth, kPrHeight);
  draw_line_chart(canvas, {8, 4, kPrWidth - 16.0, kPrHeight - 8.0}, chart);
  return canvas.to_image();
}

}  // namespace kestrel
