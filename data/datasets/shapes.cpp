#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

#include <kestrel/data/datasets/complaints.h>
#include <kestrel/data/datasets/shape_outline.h>
#include <kestrel/data/datasets/shapes.h>
#include <kestrel/kernels/parallel.h>
#include <kestrel/tensor/random.h>

namespace kestrel {
namespace {

using Color = std::array<double, 3>;

uint64_t split_number(const std::string& split) {
  for (uint64_t i = 0; i < 3; ++i) {
    if (split == std::array{"train", "val", "test"}[i]) return i;
  }
  fail<UsageError>("[shapes] split must be train, val or test, got '", split, "'");
}

Color random_color(Philox& random) {
  return {random.uniform(0, 255), random.uniform(0, 255), random.uniform(0, 255)};
}

double color_distance(const Color& a, const Color& b) {
  return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

Color mix(const Color& a, const Color& b, double t) {
  return {a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2])};
}

// The picture before rounding, with the object that each pixel belongs to.
struct Canvas {
  int64_t height, width;
  std::vector<Color> colors;
  std::vector<int> owner;  // -1 is background

  Canvas(int64_t h, int64_t w)
      : height(h),
        width(w),
        colors(static_cast<size_t>(h * w)),
        owner(static_cast<size_t>(h * w), -1) {}
};

struct Object {
  int64_t label = 0;
  int64_t full = 0;     // pixels, whatever covers them
  int64_t visible = 0;  // pixels that are still seen
};

struct Picture {
  Canvas canvas;
  std::vector<Object> objects;
};

// A smooth random field in [-1, 1]: values on a coarse grid, bilinear between them.
class SmoothField {
 public:
  SmoothField(int64_t height, int64_t width, double cell, Philox& random)
      : cell_(cell), columns_(static_cast<int64_t>(static_cast<double>(width) / cell) + 2) {
    const auto rows = static_cast<int64_t>(static_cast<double>(height) / cell) + 2;
    values_.resize(static_cast<size_t>(rows * columns_));
    for (double& v : values_) v = random.uniform(-1, 1);
  }
  double at(int64_t y, int64_t x) const {
    const double fy = static_cast<double>(y) / cell_, fx = static_cast<double>(x) / cell_;
    const auto iy = static_cast<int64_t>(fy), ix = static_cast<int64_t>(fx);
    const double* v = values_.data() + iy * columns_ + ix;
    const double ty = fy - static_cast<double>(iy), tx = fx - static_cast<double>(ix);
    return (1 - ty) * ((1 - tx) * v[0] + tx * v[1]) +
           ty * ((1 - tx) * v[columns_] + tx * v[columns_ + 1]);
  }

 private:
  double cell_;
  int64_t columns_;
  std::vector<double> values_;
};

Color paint_background(Canvas& canvas, Philox& random) {
  const Color base = random_color(random);
  const Color other = mix(base, random_color(random), 0.35);
  const double amplitude = random.uniform(5, 25);
  const SmoothField field(canvas.height, canvas.width, random.uniform(12, 48), random);
  const bool horizontal = random.uniform() < 0.5;
  for (int64_t y = 0; y < canvas.height; ++y) {
    for (int64_t x = 0; x < canvas.width; ++x) {
      const double t = horizontal ? static_cast<double>(x) / static_cast<double>(canvas.width)
                                  : static_cast<double>(y) / static_cast<double>(canvas.height);
      Color c = mix(base, other, t);
      for (double& v : c) v += amplitude * field.at(y, x);
      canvas.colors[static_cast<size_t>(y * canvas.width + x)] = c;
    }
  }
  return mix(base, other, 0.5);
}

// How an object is filled: plain, striped, chequered or shaded.
struct Texture {
  enum Pattern { Plain, Stripes, Checks, Shaded } pattern;
  Color first, second;
  double period, cos, sin;

  Texture(const Color& background, Philox& random) {
    pattern = static_cast<Pattern>(random.integer(0, 4));
    do {  // must stand out
      first = random_color(random);
    } while (color_distance(first, background) < 110);
    do {
      second = mix(first, random_color(random), 0.45);
    } while (color_distance(second, background) < 80);
    period = random.uniform(5, 14);
    const double angle = random.uniform(0, 2 * std::numbers::pi);
    cos = std::cos(angle);
    sin = std::sin(angle);
  }

  Color at(double dx, double dy, double radius) const {
    const double u = cos * dx + sin * dy, v = -sin * dx + cos * dy;
    const auto odd = [&](double w) { return static_cast<int64_t>(std::floor(w / period)) & 1; };
    switch (pattern) {
      case Plain:
        return first;
      case Stripes:
        return odd(u) ? first : second;
      case Checks:
        return odd(u) ^ odd(v) ? first : second;
      case Shaded:
        return mix(first, second, std::clamp(0.5 + 0.5 * u / radius, 0.0, 1.0));
    }
    return first;
  }
};

// Draws one more object unless it would hide too much of the others or lie too far outside.
bool try_object(Picture& picture, ShapeKind kind, int64_t label, const Color& background,
                const ShapesDatasetOptions& options, Philox& random) {
  Canvas& canvas = picture.canvas;
  const auto w = static_cast<double>(canvas.width), h = static_cast<double>(canvas.height);
  const double largest = std::min(options.max_size, 0.8 * std::min(w, h));
  const double smallest = std::min(options.min_size, largest);
  const double radius = 0.5 * smallest * std::pow(largest / smallest, random.uniform());
  const double cx = random.uniform(0.6 * radius, w - 0.6 * radius);
  const double cy = random.uniform(0.6 * radius, h - 0.6 * radius);
  const double aspect = random.uniform(0.7, 1.0);
  const ShapeOutline outline(kind, cx, cy, radius, aspect, random.uniform(-0.5, 0.5));
  const Texture texture(background, random);
  const bool rim = random.uniform() < 0.5;

  const auto x0 = static_cast<int64_t>(std::floor(cx - radius - 1));
  const auto x1 = static_cast<int64_t>(std::ceil(cx + radius + 1));
  const auto y0 = static_cast<int64_t>(std::floor(cy - radius - 1));
  const auto y1 = static_cast<int64_t>(std::ceil(cy + radius + 1));
  std::vector<double> distance(static_cast<size_t>((x1 - x0) * (y1 - y0)));
  std::vector<int64_t> hidden(picture.objects.size(), 0);
  Object object{.label = label};
  size_t at = 0;
  for (int64_t y = y0; y < y1; ++y) {
    for (int64_t x = x0; x < x1; ++x, ++at) {
      const double d = outline.distance(static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5);
      distance[at] = d;
      if (d > 0) continue;
      ++object.full;
      if (x < 0 || y < 0 || x >= canvas.width || y >= canvas.height) continue;
      ++object.visible;
      const int owner = canvas.owner[static_cast<size_t>(y * canvas.width + x)];
      if (owner >= 0) ++hidden[static_cast<size_t>(owner)];
    }
  }
  if (10 * object.visible < 7 * object.full) return false;
  for (size_t i = 0; i < hidden.size(); ++i) {
    const Object& other = picture.objects[i];
    // What is seen of two neighbours must stay clear, and none may be all but gone.
    if (2 * (other.visible - hidden[i]) < other.full + (hidden[i] > 0 ? other.full / 4 : 0)) {
      return false;
    }
  }
  for (size_t i = 0; i < hidden.size(); ++i) picture.objects[i].visible -= hidden[i];

  const auto number = static_cast<int>(picture.objects.size());
  at = 0;
  for (int64_t y = y0; y < y1; ++y) {
    for (int64_t x = x0; x < x1; ++x, ++at) {
      if (x < 0 || y < 0 || x >= canvas.width || y >= canvas.height) continue;
      const double d = distance[at];
      const double coverage = std::clamp(0.5 - d, 0.0, 1.0);
      if (coverage <= 0) continue;
      const auto pixel = static_cast<size_t>(y * canvas.width + x);
      Color c = texture.at(static_cast<double>(x) - cx, static_cast<double>(y) - cy, radius);
      if (rim && d > -2) c = mix(c, {20, 20, 20}, 0.7);
      canvas.colors[pixel] = mix(canvas.colors[pixel], c, coverage);
      if (d <= 0) canvas.owner[pixel] = number;
    }
  }
  picture.objects.push_back(object);
  return true;
}

Picture draw(const ShapesDatasetOptions& options, const std::vector<int>& kinds, int64_t index) {
  Philox random(options.seed, split_number(options.split), static_cast<uint64_t>(index));
  const int64_t size = options.image_size;
  const int64_t other = random.integer((3 * size + 3) / 4, size + 1);
  const bool landscape = random.uniform() < 0.5;
  Picture picture{Canvas(landscape ? other : size, landscape ? size : other), {}};
  const Color background = paint_background(picture.canvas, random);
  const int64_t wanted = random.integer(options.min_objects, options.max_objects + 1);
  for (int64_t tries = 0; tries < 20 * wanted; ++tries) {
    if (static_cast<int64_t>(picture.objects.size()) == wanted) break;
    const int64_t label = random.integer(0, static_cast<int64_t>(kinds.size()));
    const auto kind = static_cast<ShapeKind>(kinds[static_cast<size_t>(label)]);
    try_object(picture, kind, label, background, options, random);
  }
  return picture;
}

// Rounds to 8 bits with a little noise of triangular distribution.
Image develop(const Canvas& canvas, const ShapesDatasetOptions& options, int64_t index) {
  Philox random(options.seed, split_number(options.split) + 3, static_cast<uint64_t>(index));
  const double amplitude = random.uniform(0, options.noise) / 255;
  Image image(canvas.height, canvas.width);
  uint8_t* out = image.pixels.data();
  for (const Color& color : canvas.colors) {
    const uint64_t bits = uint64_t{random.next()} << 32 | random.next();
    for (int c = 0; c < 3; ++c) {
      const auto noise =
          static_cast<double>((bits >> (16 * c) & 255) + (bits >> (16 * c + 8) & 255));
      const double value = color[static_cast<size_t>(c)] + amplitude * (noise - 255);
      *out++ = static_cast<uint8_t>(std::clamp(std::lround(value), 0L, 255L));
    }
  }
  return image;
}

// Boxes, areas and masks of what is seen of the objects.
std::vector<Annotation> annotate(const Picture& picture) {
  const Canvas& canvas = picture.canvas;
  std::vector<Annotation> annotations;
  for (size_t i = 0; i < picture.objects.size(); ++i) {
    auto mask = std::make_shared<Segmentation>();
    mask->height = canvas.height;
    mask->width = canvas.width;
    int64_t left = canvas.width, top = canvas.height, right = -1, bottom = -1;
    bool inside = false;
    uint32_t run = 0;
    for (int64_t x = 0; x < canvas.width; ++x) {
      for (int64_t y = 0; y < canvas.height; ++y, ++run) {
        const bool here =
            canvas.owner[static_cast<size_t>(y * canvas.width + x)] == static_cast<int>(i);
        if (here != inside) {
          mask->counts.push_back(run);
          run = 0;
          inside = here;
        }
        if (!here) continue;
        left = std::min(left, x);
        right = std::max(right, x);
        top = std::min(top, y);
        bottom = std::max(bottom, y);
      }
    }
    mask->counts.push_back(run);
    Annotation a;
    a.label = picture.objects[i].label;
    a.bbox = {static_cast<double>(left), static_cast<double>(top),
              static_cast<double>(right - left + 1), static_cast<double>(bottom - top + 1)};
    a.area = static_cast<double>(picture.objects[i].visible);
    a.segmentation = std::move(mask);
    annotations.push_back(std::move(a));
  }
  return annotations;
}

}  // namespace

const std::vector<std::string>& shape_names() {
  static const std::vector<std::string> names = {"circle", "rectangle", "triangle",
                                                 "star",   "cross",     "ring"};
  return names;
}

ShapesDataset::ShapesDataset(const ShapesDatasetOptions& options)
    : Dataset("shapes"), options_(options) {
  if (options_.num_images == 0) options_.num_images = options_.split == "train" ? 2000 : 200;
  split_number(options_.split);
  if (options_.num_images < 1 || options_.image_size < 32 || options_.image_size > 8192 ||
      options_.min_objects < 1 || options_.max_objects < options_.min_objects ||
      !(options_.min_size >= 8) || !(options_.max_size >= options_.min_size) ||
      !(options_.noise >= 0)) {
    fail<UsageError>(
        "[shapes] num_images must be >= 1, image_size 32..8192, 1 <= min_objects <= "
        "max_objects, 8 <= min_size <= max_size, noise >= 0; got ",
        options_.num_images, ", ", options_.image_size, ", ", options_.min_objects, ", ",
        options_.max_objects, ", ", options_.min_size, ", ", options_.max_size, ", ",
        options_.noise);
  }
  std::vector<std::string> names = options_.classes.empty() ? shape_names() : options_.classes;
  for (const std::string& name : names) {
    const auto at = std::ranges::find(shape_names(), name);
    if (at == shape_names().end()) {
      fail<UsageError>("[shapes] no class '", name, "'; there are ", quoted_list(shape_names()));
    }
    kinds_.push_back(static_cast<int>(at - shape_names().begin()));
  }
  set_classes(std::move(names));

  struct Described {
    int64_t height = 0, width = 0;
    std::vector<Annotation> annotations;
  };
  std::vector<Described> described(static_cast<size_t>(options_.num_images));
  parallel_for(options_.num_images, 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Picture picture = draw(options_, kinds_, i);
      described[static_cast<size_t>(i)] = {picture.canvas.height, picture.canvas.width,
                                           annotate(picture)};
    }
  });
  int64_t next_id = 1;
  for (int64_t i = 0; i < options_.num_images; ++i) {
    Described& d = described[static_cast<size_t>(i)];
    for (Annotation& a : d.annotations) a.id = next_id++;
    std::string number = std::to_string(i);
    number.insert(0, 6 - std::min<size_t>(6, number.size()), '0');
    add_image({.id = i + 1,
               .file = "shapes_" + options_.split + "_" + number + ".png",
               .width = d.width,
               .height = d.height},
              d.annotations);
  }
}

Image ShapesDataset::load(int64_t index) const {
  info(index);  // checks the index
  return develop(draw(options_, kinds_, index).canvas, options_, index);
}

}  // namespace kestrel
