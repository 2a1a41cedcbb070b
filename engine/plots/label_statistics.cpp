#include <kestrel/engine/plots/label_statistics.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <kestrel/engine/plots/line_chart.h>

namespace kestrel {
namespace {

using Align = TextStyle::Align;

constexpr int64_t kStatisticsWidth = 1400, kStatisticsHeight = 1000;
constexpr double kStatisticsHeader = 44;
constexpr size_t kMaxBars = 60;
constexpr size_t kMaxDots = 20'000;

struct Object {
  double x = 0, y = 0, width = 0, height = 0;  // shares of the image; x, y of the centre
  double side = 0;                             // root of the area in pixels
};

struct Statistics {
  std::vector<int64_t> per_class;
  std::vector<Object> objects;
  int64_t empty_images = 0;
};

Statistics collect(const Dataset& dataset) {
  Statistics result;
  result.per_class.assign(static_cast<size_t>(dataset.num_classes()), 0);
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const ImageInfo& image = dataset.info(i);
    const auto width = static_cast<double>(image.width), height = static_cast<double>(image.height);
    bool empty = true;
    for (const Annotation& a : dataset.annotations(i)) {
      if (a.crowd || a.difficult || !a.trainable) continue;
      empty = false;
      ++result.per_class[static_cast<size_t>(a.label)];
      const auto& [x, y, w, h] = a.bbox;
      result.objects.push_back({(x + w / 2) / width, (y + h / 2) / height, w / width, h / height,
                                std::sqrt(std::max(0.0, w * h))});
    }
    result.empty_images += empty ? 1 : 0;
  }
  return result;
}

/// The part of a panel that is left for its drawing.
Rect inner_of(Canvas& canvas, const Rect& area, const std::string& title, double left,
              double bottom) {
  canvas.text(area.x + 8, area.y + 20, title, kChartTitle);
  return {area.x + left, area.y + 38, area.width - left - 24, area.height - 38 - bottom};
}

void draw_bar(Canvas& canvas, const Rect& bar, int64_t count, const std::string& name, double font,
              double room) {
  canvas.fill_rect(bar, line_colour(5));
  const TextStyle style{.size = font, .align = Align::Right, .angle = 90};
  const double middle = bar.x + bar.width / 2 + font * 0.36;
  canvas.text(middle, bar.bottom() + 7, fitted_text(canvas, name, room, style), style);
  const std::string number = std::to_string(count);
  if (canvas.text_width(number, {.size = font}) <= bar.width + 4) {
    canvas.text(bar.x + bar.width / 2, bar.y - 4, number,
                {.size = font, .colour = kFaintInk, .align = Align::Centre});
  }
}

void draw_classes(Canvas& canvas, const Rect& area, const Dataset& dataset,
                  const Statistics& statistics) {
  std::vector<size_t> shown(statistics.per_class.size());
  std::iota(shown.begin(), shown.end(), size_t{0});
  std::string title = "Objects per class";
  if (shown.size() > kMaxBars) {
    std::ranges::stable_sort(shown, std::greater(),
                             [&](size_t k) { return statistics.per_class[k]; });
    shown.erase(shown.begin() + kMaxBars / 2, shown.end() - kMaxBars / 2);
    title += ": the 30 most and the 30 least frequent of " + std::to_string(dataset.num_classes());
  }
  const double step = (area.width - 84) / static_cast<double>(std::max<size_t>(1, shown.size()));
  const double font = std::clamp(step * 0.75, 8.0, 13.0);
  double room = 0;
  for (const size_t k : shown) {
    room = std::max(room, canvas.text_width(dataset.class_names()[k], {.size = font}));
  }
  room = std::min(room, 130.0);
  const Rect inner = inner_of(canvas, area, title, 60, room + 14);
  const auto most = static_cast<double>(
      statistics.per_class.empty() ? 0 : std::ranges::max(statistics.per_class));
  const PlotAxis y = widened_axis(0, std::max(1.0, most), 8, true);
  draw_axes(canvas, inner, PlotAxis{}, y, "", "");
  for (size_t i = 0; i < shown.size(); ++i) {
    const int64_t count = statistics.per_class[shown[i]];
    const double width = std::min(step * 0.8, 90.0);
    const double height = inner.height * y.place(static_cast<double>(count));
    const double middle = inner.x + step * (static_cast<double>(i) + 0.5);
    draw_bar(canvas, {middle - width / 2, inner.bottom() - height, width, height}, count,
             dataset.class_names()[shown[i]], font, room);
  }
}

void draw_centres(Canvas& canvas, const Rect& area, const Statistics& statistics) {
  constexpr int kCells = 48;
  const Rect inner = inner_of(canvas, area, "Centres of objects in the image", 70, 50);
  std::vector<double> counts(kCells * kCells, 0.0);
  for (const Object& object : statistics.objects) {
    const auto cell = [](double v) {
      return std::clamp(static_cast<int>(v * kCells), 0, kCells - 1);
    };
    ++counts[static_cast<size_t>(cell(object.y) * kCells + cell(object.x))];
  }
  const PlotAxis x = exact_axis(0, 1, 5);
  const PlotAxis downward{.low = 1, .high = 0, .step = x.step, .ticks = x.ticks};
  draw_axes(canvas, inner, x, downward, "x / image width", "y / image height");
  const double most = std::max(1.0, std::ranges::max(counts));
  const double width = inner.width / kCells, height = inner.height / kCells;
  for (int row = 0; row < kCells; ++row) {
    for (int column = 0; column < kCells; ++column) {
      const double count = counts[static_cast<size_t>(row * kCells + column)];
      canvas.fill_rect(
          {inner.x + column * width, inner.y + row * height, width + 0.5, height + 0.5},
          heat_colour(std::sqrt(count / most)));
    }
  }
  canvas.stroke_rect(inner, kGridLine, 1);
}

void draw_sizes(Canvas& canvas, const Rect& area, const Statistics& statistics) {
  const Rect inner = inner_of(canvas, area, "Width and height of objects", 70, 50);
  const PlotAxis axis = exact_axis(0, 1, 5);
  draw_axes(canvas, inner, axis, axis, "width / image width", "height / image height");
  const size_t every = statistics.objects.size() / kMaxDots + 1;
  const double alpha =
      std::clamp(300.0 / static_cast<double>(statistics.objects.size() + 1), 0.04, 0.6);
  canvas.clip(inner);
  for (size_t i = 0; i < statistics.objects.size(); i += every) {
    const Object& object = statistics.objects[i];
    canvas.dot(inner.x + inner.width * object.width, inner.bottom() - inner.height * object.height,
               2.2, line_colour(0).with_alpha(alpha));
  }
  canvas.unclip();
}

void draw_pixels(Canvas& canvas, const Rect& area, const Statistics& statistics) {
  constexpr int kPerOctave = 4, kOctaves = 10, kBars = kPerOctave * kOctaves;  // 2 to 2048 pixels
  const Rect inner = inner_of(canvas, area, "Size of objects in pixels of their files", 70, 50);
  std::vector<int64_t> counts(kBars, 0);
  int64_t small = 0, medium = 0;
  for (const Object& object : statistics.objects) {
    const double place = (std::log2(std::max(object.side, 1e-3)) - 1) * kPerOctave;
    ++counts[static_cast<size_t>(std::clamp(static_cast<int>(place), 0, kBars - 1))];
    small += object.side < 32 ? 1 : 0;
    medium += object.side >= 32 && object.side < 96 ? 1 : 0;
  }
  const auto x_of = [&](double side) {
    return inner.x + inner.width * (std::log2(side) - 1) / kOctaves;
  };
  const auto most = static_cast<double>(std::max<int64_t>(1, std::ranges::max(counts)));
  const PlotAxis y = widened_axis(0, most * 1.12, 7, true);
  draw_axes(canvas, inner, PlotAxis{}, y, "root of the area in pixels", "objects");
  for (int i = 0; i < kBars; ++i) {
    const double height =
        inner.height * y.place(static_cast<double>(counts[static_cast<size_t>(i)]));
    const double width = inner.width / kBars;
    canvas.fill_rect({inner.x + i * width + 0.5, inner.bottom() - height, width - 1, height},
                     line_colour(5));
  }
  for (double side = 2; side <= 2048; side *= 2) {
    canvas.text(x_of(side), inner.bottom() + 18, std::to_string(static_cast<int>(side)),
                {.size = 12, .colour = kFaintInk, .align = Align::Centre});
  }
  const auto share = [&](int64_t count) {
    const double all = std::max<double>(1, static_cast<double>(statistics.objects.size()));
    return std::to_string(std::lround(100 * static_cast<double>(count) / all)) + " %";
  };
  const auto mark = [&](double from, double to, const std::string& text) {
    canvas.text((x_of(from) + x_of(to)) / 2, inner.y + 14, text,
                {.size = 12, .colour = kFaintInk, .align = Align::Centre});
  };
  for (const double bound : {32.0, 96.0}) {
    canvas.line(x_of(bound), inner.y, x_of(bound), inner.bottom(), kFaintInk, 1);
  }
  const int64_t large = static_cast<int64_t>(statistics.objects.size()) - small - medium;
  mark(2, 32, "small " + share(small));
  mark(32, 96, "medium " + share(medium));
  mark(96, 2048, "large " + share(large));
}

}  // namespace

Image label_statistics(const Dataset& dataset, const std::string& title) {
  const Statistics statistics = collect(dataset);
  Canvas canvas(kStatisticsWidth, kStatisticsHeight);
  canvas.text(24, 34, title, {.size = 19, .bold = true});
  canvas.text(kStatisticsWidth - 24, 34,
              std::to_string(statistics.objects.size()) + " objects in " +
                  std::to_string(dataset.size()) + " images, " +
                  std::to_string(statistics.empty_images) + " of them without any",
              {.size = 13, .colour = kFaintInk, .align = Align::Right});
  const double width = (kStatisticsWidth - 16) / 2.0,
               height = (kStatisticsHeight - kStatisticsHeader - 8) / 2.0;
  const auto panel = [&](int column, int row) {
    return Rect{8 + width * column, kStatisticsHeader + height * row, width, height};
  };
  draw_classes(canvas, panel(0, 0), dataset, statistics);
  draw_centres(canvas, panel(1, 0), statistics);
  draw_sizes(canvas, panel(0, 1), statistics);
  draw_pixels(canvas, panel(1, 1), statistics);
  return canvas.to_image();
}

}  // namespace kestrel
