#include <kestrel/engine/plots/training_curves.h>

#include <algorithm>
#include <cmath>

#include <kestrel/engine/plots/line_chart.h>

namespace kestrel {
namespace {

constexpr int64_t kCurvesWidth = 1500, kCurvesHeight = 880;
constexpr double kCurvesHeader = 44;
/// More points than a panel has pixels are averaged first.
constexpr size_t kMaxPoints = 800;

Series series_of(std::span<const HistoryRecord> history, const std::string& mode,
                 const std::string& name) {
  Series series{.name = name, .x = {}, .y = {}};
  for (const HistoryRecord& record : history) {
    if (record.mode != mode) continue;
    series.x.push_back(record.epochs());
    series.y.push_back(record.value(name));
  }
  return series;
}

/// The names of the values that records of a mode have, in the order of their first occurrence.
std::vector<std::string> names_of(std::span<const HistoryRecord> history, const std::string& mode) {
  std::vector<std::string> names;
  for (const HistoryRecord& record : history) {
    if (record.mode != mode) continue;
    for (const auto& [name, value] : record.values) {
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

/// Means of neighbouring points, so that at most kMaxPoints remain. A gap stays a gap.
void thin_out(Series& series) {
  const size_t group = (series.x.size() + kMaxPoints - 1) / kMaxPoints;
  if (group <= 1) return;
  std::vector<double> x, y;
  for (size_t begin = 0; begin < series.x.size(); begin += group) {
    const size_t end = std::min(begin + group, series.x.size());
    double sum_x = 0, sum_y = 0;
    for (size_t i = begin; i < end; ++i) {
      sum_x += series.x[i];
      sum_y += series.y[i];
    }
    x.push_back(sum_x / static_cast<double>(end - begin));
    y.push_back(sum_y / static_cast<double>(end - begin));
  }
  series.x = std::move(x);
  series.y = std::move(y);
}

/// A noisy line: faint as it was, and smoothed.
void add_smoothed(LineChart& chart, Series series, int64_t colour) {
  thin_out(series);
  series.colour = line_colour(colour);
  const auto window = static_cast<int64_t>(series.y.size() / 50);
  if (window > 0) {
    Series raw = series;
    raw.name.clear();
    raw.colour = raw.colour.with_alpha(0.3);
    raw.width = 1;
    chart.series.insert(chart.series.begin(), std::move(raw));
    series.y = smoothed(series.y, window);
  }
  chart.series.push_back(std::move(series));
}

LineChart losses_chart(std::span<const HistoryRecord> history, const std::string& title,
                       const std::vector<std::string>& names) {
  LineChart chart{.title = title};
  for (size_t i = 0; i < names.size(); ++i) {
    add_smoothed(chart, series_of(history, "train", names[i]), static_cast<int64_t>(i));
  }
  return chart;
}

LineChart metrics_chart(std::span<const HistoryRecord> history, const std::string& title,
                        const std::vector<std::string>& names) {
  LineChart chart{.title = title};
  for (const std::string& name : names) {
    Series series = series_of(history, "val", name);
    series.colour = line_colour(static_cast<int64_t>(chart.series.size()));
    chart.series.push_back(std::move(series));
  }
  return chart;
}

/// COCO's -1 stands for "nothing of the kind was annotated".
void drop_absent(LineChart& chart) {
  for (Series& series : chart.series) {
    std::ranges::replace_if(
        series.y, [](double v) { return v < 0; }, NAN);
  }
}

std::vector<LineChart> panels_of(std::span<const HistoryRecord> history) {
  std::vector<std::string> parts;
  for (const std::string& name : names_of(history, "train")) {
    if (name.find("loss") != std::string::npos && name != "loss") parts.push_back(name);
  }
  std::vector<std::string> precisions, sizes, others;
  for (const std::string& name : names_of(history, "val")) {
    if (name.find('/') != std::string::npos) continue;  // of one class: there may be too many
    const bool precision = name.starts_with("ap") || name.starts_with("segm_ap") || name == "map";
    const bool of_size = name.ends_with("_s") || name.ends_with("_m") || name.ends_with("_l");
    (!precision ? others : of_size ? sizes : precisions).push_back(name);
  }
  std::vector<LineChart> panels = {losses_chart(history, "Training loss", {"loss"}),
                                   losses_chart(history, "Its parts", parts),
                                   losses_chart(history, "Learning rate", {}),
                                   metrics_chart(history, "Average precision", precisions),
                                   metrics_chart(history, "Average precision by size", sizes),
                                   metrics_chart(history, "Other metrics", others)};
  Series lr = series_of(history, "train", "lr");
  lr.name.clear();
  lr.colour = line_colour(0);
  panels[2].series.push_back(std::move(lr));
  if (others == std::vector<std::string>{"ar100"}) panels[5].title = "Average recall";
  for (size_t i = 3; i < panels.size(); ++i) drop_absent(panels[i]);
  return panels;
}

}  // namespace

std::vector<double> smoothed(std::span<const double> values, int64_t window) {
  std::vector<double> result;
  const auto size = static_cast<int64_t>(values.size());
  for (int64_t i = 0; i < size; ++i) {
    // As many neighbours on the left as on the right, so that the ends do not lean.
    const int64_t reach = std::min({window, i, size - 1 - i});
    double sum = 0;
    int64_t count = 0;
    for (const double value : values.subspan(i - reach, 2 * reach + 1)) {
      if (!std::isfinite(value)) continue;
      sum += value;
      ++count;
    }
    result.push_back(std::isfinite(values[i]) ? sum / static_cast<double>(count) : values[i]);
  }
  return result;
}

Image training_curves(std::span<const HistoryRecord> history, const std::string& title) {
  Canvas canvas(kCurvesWidth, kCurvesHeight);
  canvas.text(24, 34, title, {.size = 19, .bold = true});
  if (!history.empty()) {
    const HistoryRecord& last = history.back();
    canvas.text(kCurvesWidth - 24, 34,
                "epoch " + std::to_string(last.epoch) + ", iteration " + std::to_string(last.iter),
                {.size = 13, .colour = kFaintInk, .align = TextStyle::Align::Right});
  }
  double last = 0;
  for (const HistoryRecord& record : history) last = std::max(last, record.epochs());
  const double width = (kCurvesWidth - 16) / 3.0,
               height = (kCurvesHeight - kCurvesHeader - 8) / 2.0;
  std::vector<LineChart> panels = panels_of(history);
  for (size_t i = 0; i < panels.size(); ++i) {
    if (i >= 3) panels[i].x_label = "epoch";
    panels[i].x_axis = exact_axis(0, std::max(1.0, last), 7);
    draw_line_chart(canvas,
                    {8 + width * static_cast<double>(i % 3),
                     kCurvesHeader + height * static_cast<double>(i / 3), width, height},
                    panels[i]);
  }
  return canvas.to_image();
}

}  // namespace kestrel
