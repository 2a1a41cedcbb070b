// Every optimizer on three surfaces, as a table and a picture: how to use them without a detector.
//   example_optimizers [picture.png]

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include <kestrel/data/image.h>
#include <kestrel/engine/optimizers/optimizer.h>
#include <kestrel/engine/plots/axis.h>
#include <kestrel/engine/plots/canvas.h>
#include <kestrel/engine/plots/line_chart.h>

#include "surfaces.h"

namespace {

using kestrel::Canvas;
using kestrel::Rect;

constexpr int kSteps = 400;

struct Way {
  std::string name;
  std::string config;  ///< As in a config file.
};

struct Family {
  std::string name;
  std::vector<Way> ways;
};

const std::vector<Family> kFamilies = {
    {"One rate for all",
     {{"SGD", "{type: SGD, lr: 0.01}"},
      {"SGD, momentum 0.9", "{type: SGD, lr: 0.01, momentum: 0.9}"},
      {"SGD, Nesterov", "{type: SGD, lr: 0.01, momentum: 0.9, nesterov: true}"}}},
    {"A rate for each",
     {{"Adagrad", "{type: Adagrad, lr: 0.4}"},
      {"Adadelta", "{type: Adadelta, lr: 5}"},
      {"RMSprop", "{type: RMSprop, lr: 0.01}"},
      {"RMSprop, centered", "{type: RMSprop, lr: 0.01, centered: true, momentum: 0.5}"}}},
    {"With momentum",
     {{"Adam", "{type: Adam, lr: 0.05}"},
      {"AdamW", "{type: AdamW, lr: 0.05, weight_decay: 0.1}"},
      {"AMSGrad", "{type: Adam, lr: 0.05, amsgrad: true}"},
      {"NAdam", "{type: NAdam, lr: 0.05}"},
      {"RAdam", "{type: RAdam, lr: 0.05}"},
      {"Adamax", "{type: Adamax, lr: 0.05}"},
      {"LAMB", "{type: LAMB, lr: 0.02}"}}},
};

using Path = std::vector<std::array<double, 2>>;

/// A model is what has parameters: here one, the place on the surface.
struct Place : kestrel::Module {
  explicit Place(const std::array<double, 2>& start)
      : at(add_parameter("place", kestrel::Tensor::from({start[0], start[1]}, {2}))) {}
  std::array<double, 2> value() const {
    const auto values = at.data().values<double>();
    return {values[0], values[1]};
  }
  kestrel::Variable& at;
};

bool shows(const Surface& surface, const std::array<double, 2>& at) {
  return at[0] >= surface.left && at[0] <= surface.right && at[1] >= surface.bottom &&
         at[1] <= surface.top;
}

Path descend(const Surface& surface, const Way& way) {
  Place place(surface.start);
  const auto optimizer = kestrel::build_optimizer(place, kestrel::Config::parse(way.config));
  Path path = {place.value()};
  for (int step = 0; step < kSteps && shows(surface, path.back()); ++step) {
    const auto [dx, dy] = surface.gradient(path.back()[0], path.back()[1]);
    place.at.grad() = kestrel::Tensor::from({dx, dy}, {2});
    optimizer->step();
    path.push_back(place.value());
  }
  return path;
}

/// The surface in bands of equally many pixels: dark is low.
kestrel::Image relief(const Surface& surface, int64_t size) {
  std::vector<double> heights;
  for (int64_t row = 0; row < size; ++row) {
    for (int64_t column = 0; column < size; ++column) {
      const auto part = [size](int64_t i) {
        return (static_cast<double>(i) + 0.5) / static_cast<double>(size);
      };
      heights.push_back(surface.value(surface.left + (surface.right - surface.left) * part(column),
                                      surface.top - (surface.top - surface.bottom) * part(row)));
    }
  }
  std::vector<double> sorted = heights;
  std::ranges::sort(sorted);
  constexpr int kBands = 20;
  kestrel::Image image(size, size);
  for (size_t i = 0; i < heights.size(); ++i) {
    const auto rank = std::ranges::lower_bound(sorted, heights[i]) - sorted.begin();
    const double band =
        std::floor(static_cast<double>(rank) / static_cast<double>(heights.size()) * kBands) /
        kBands;
    const kestrel::Colour colour = kestrel::heat_colour(0.42 * (1 - band));
    image.pixels[3 * i] = static_cast<uint8_t>(255 * colour.r);
    image.pixels[3 * i + 1] = static_cast<uint8_t>(255 * colour.g);
    image.pixels[3 * i + 2] = static_cast<uint8_t>(255 * colour.b);
  }
  return image;
}

void draw(Canvas& canvas, const Rect& inner, const Surface& surface, const kestrel::Image& ground,
          const std::vector<Path>& paths) {
  canvas.image(ground, inner);
  const auto on_canvas = [&](const std::array<double, 2>& at) -> std::array<double, 2> {
    return {
        inner.x + inner.width * (at[0] - surface.left) / (surface.right - surface.left),
        inner.bottom() - inner.height * (at[1] - surface.bottom) / (surface.top - surface.bottom)};
  };
  canvas.clip(inner);
  for (size_t i = 0; i < paths.size(); ++i) {
    Path line;
    for (const auto& at : paths[i]) line.push_back(on_canvas(at));
    const kestrel::Colour colour = kestrel::line_colour(static_cast<int64_t>(i));
    canvas.polyline(line, colour, 2);
    canvas.dot(line.back()[0], line.back()[1], 5, kestrel::kWhite);
    canvas.dot(line.back()[0], line.back()[1], 4, colour);
  }
  const auto [x, y] = on_canvas(surface.start);
  canvas.dot(x, y, 6, kestrel::kInk);
  canvas.dot(x, y, 3, kestrel::kWhite);
  canvas.unclip();
  kestrel::draw_axes(canvas, inner, kestrel::exact_axis(surface.left, surface.right, 6),
                     kestrel::exact_axis(surface.bottom, surface.top, 6), "x", "y");
}

void run(const std::string& picture) {
  constexpr double kSize = 360, kLeft = 60, kTop = 150, kColumn = 430, kRow = 450;
  const auto all = surfaces();
  Canvas canvas(static_cast<int64_t>(kColumn * 3 + 30), static_cast<int64_t>(kTop + kRow * 3));
  for (size_t column = 0; column < kFamilies.size(); ++column) {
    const Family& family = kFamilies[column];
    const double x = kLeft + kColumn * static_cast<double>(column);
    canvas.text(x, 30, family.name, {.size = 17, .bold = true});
    for (size_t i = 0; i < family.ways.size(); ++i) {
      const double left = x + 190 * static_cast<double>(i / 4);
      const double y = 54 + 19 * static_cast<double>(i % 4);
      canvas.line(left, y - 4, left + 22, y - 4, kestrel::line_colour(static_cast<int64_t>(i)), 3);
      canvas.text(left + 30, y, family.ways[i].name, {.size = 13});
    }
  }
  std::printf("%-15s %-19s %6s  %18s  %10s\n", "surface", "optimizer", "steps", "ends at", "value");
  for (size_t row = 0; row < all.size(); ++row) {
    const Surface& surface = all[row];
    const kestrel::Image ground = relief(surface, static_cast<int64_t>(kSize));
    for (size_t column = 0; column < kFamilies.size(); ++column) {
      std::vector<Path> paths;
      for (const Way& way : kFamilies[column].ways) {
        const Path path = descend(surface, way);
        const auto [x, y] = path.back();
        std::printf("%-15s %-19s %6zu  (%7.3f, %7.3f)  %10.5f%s\n", surface.name.c_str(),
                    way.name.c_str(), path.size() - 1, x, y, surface.value(x, y),
                    shows(surface, path.back()) ? "" : "  left the picture");
        paths.push_back(path);
      }
      const Rect inner{kLeft + kColumn * static_cast<double>(column),
                       kTop + kRow * static_cast<double>(row) + 24, kSize, kSize};
      if (column == 0) {
        canvas.text(inner.x, inner.y - 10, surface.name + ":  " + surface.formula,
                    {.size = 14, .bold = true});
      }
      draw(canvas, inner, surface, ground, paths);
    }
  }
  if (!picture.empty()) kestrel::write_image(picture, canvas.to_image());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc > 1 ? argv[1] : "");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "example_optimizers: %s\n", error.what());
    return 1;
  }
}
