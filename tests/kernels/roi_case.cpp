#include <kestrel/autograd/functions/roi_align.h>
#include <kestrel/autograd/functions/roi_pool.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "../support/op_case.h"
#include "../support/random.h"

namespace kestrel::test {
namespace {

using autograd::RoiAlignOptions;
using autograd::RoiPoolOptions;

/// Boxes in and around pictures of 4 times a map's size, most of them proper, of any of its images.
std::vector<float> random_rois(int64_t count, const Shape& map, uint64_t seed) {
  Philox random(seed);
  std::vector<float> rois;
  const double height = 4 * static_cast<double>(map[1]), width = 4 * static_cast<double>(map[2]);
  for (int64_t i = 0; i < count; ++i) {
    const double x = random.uniform(-0.3, 1) * width, y = random.uniform(-0.3, 1) * height;
    const double w = random.uniform(0, 1) * width, h = random.uniform(0, 1) * height;
    for (const double v : {static_cast<double>(random.integer(0, map[0])), x, y, x + w, y + h}) {
      rois.push_back(static_cast<float>(v));
    }
  }
  return rois;
}

/// In pixels of a map of 6 x 5 at scale 1: corners on and beyond its edges, sides of nothing, of
/// less, of far too much; coordinates that are none.
const std::vector<float> kOddRois{
    0, 0,      0,     5,     6,    0, -1,    -1,   6,     7,    0, 2,     2,     2,    2,
    0, 4,      5,     1,     2,    0, 5,     6,    9,     9,    0, -9,    -9,    -5,   -5,
    0, 1.5f,   2.5f,  1.6f,  2.6f, 0, -50,   -50,  50,    50,   0, -1e9f, -1e9f, 1e9f, 1e9f,
    0, -1e30f, 1,     1e30f, 4,    0, 1e30f, 1,    2e30f, 4,    0, kNan,  0,     3,    3,
    0, 0,      -kInf, 3,     kInf, 0, kInf,  kInf, kInf,  kInf, 0, 0.5f,  0.5f,  4.5f, 5.5f,
};

Tensor rois_on(const std::vector<float>& rois, Device device) {
  return Tensor::from(rois, {static_cast<int64_t>(rois.size()) / 5, 5}).to(device);
}

/// A map's value between the centres of its pixels, as torchvision's bilinear_interpolate.
double sample(const Array& x, int64_t n, double y, double z, int64_t c) {
  const auto height = static_cast<double>(x.shape[1]), width = static_cast<double>(x.shape[2]);
  if (!(y >= -1 && y <= height && z >= -1 && z <= width) || x.numel() == 0) return 0;
  y = std::clamp(y, 0.0, height - 1);
  z = std::clamp(z, 0.0, width - 1);
  double total = 0;
  for (const double a : {std::floor(y), std::floor(y) + 1}) {
    for (const double b : {std::floor(z), std::floor(z) + 1}) {
      const double weight = (1 - std::abs(y - a)) * (1 - std::abs(z - b));
      if (weight > 0) total += weight * x.at(n, a, b, c);
    }
  }
  return total;
}

Array align_reference(const Array& x, const std::vector<float>& rois, const RoiAlignOptions& o) {
  const auto count = static_cast<int64_t>(rois.size()) / 5;
  Array result(Shape{count, o.output_height, o.output_width, x.shape[3]});
  for (int64_t k = 0; k < count; ++k) {
    const float* roi = rois.data() + 5 * k;
    const double shift = o.aligned ? 0.5 : 0;
    const double x1 = roi[1] * o.spatial_scale - shift, y1 = roi[2] * o.spatial_scale - shift;
    double width = roi[3] * o.spatial_scale - shift - x1;
    double height = roi[4] * o.spatial_scale - shift - y1;
    if (!std::isfinite(width + height)) continue;
    if (!o.aligned) {
      width = std::max(width, 1.0);
      height = std::max(height, 1.0);
    }
    const double bin_h = height / double(o.output_height), bin_w = width / double(o.output_width);
    const double rows = o.sampling_ratio ? double(o.sampling_ratio) : std::ceil(bin_h);
    const double columns = o.sampling_ratio ? double(o.sampling_ratio) : std::ceil(bin_w);
    for (int64_t i = 0; i < o.output_height; ++i) {
      for (int64_t j = 0; j < o.output_width; ++j) {
        for (int64_t c = 0; c < x.shape[3]; ++c) {
          double total = 0;
          // A million samples a side is more than any map here can hold.
          for (double a = 0; a < rows && rows < 1e6; ++a) {
            for (double b = 0; b < columns && columns < 1e6; ++b) {
              total += sample(x, int64_t(roi[0]), y1 + double(i) * bin_h + (a + 0.5) * bin_h / rows,
                              x1 + double(j) * bin_w + (b + 0.5) * bin_w / columns, c);
            }
          }
          result.at(k, i, j, c) = total / std::max(1.0, rows * columns);
        }
      }
    }
  }
  return result;
}

Array pool_reference(const Array& x, const std::vector<float>& rois, const RoiPoolOptions& o) {
  const auto count = static_cast<int64_t>(rois.size()) / 5;
  Array result(Shape{count, o.output_height, o.output_width, x.shape[3]});
  for (int64_t k = 0; k < count; ++k) {
    const float* roi = rois.data() + 5 * k;
    double corner[4];
    for (int i = 0; i < 4; ++i) corner[i] = std::round(roi[i + 1] * o.spatial_scale);
    if (!std::isfinite(corner[0] + corner[1] + corner[2] + corner[3])) continue;
    for (double& c : corner) c = std::clamp(c, -1e9, 1e9);
    const double width = std::max(1.0, corner[2] - corner[0] + 1);
    const double height = std::max(1.0, corner[3] - corner[1] + 1);
    const auto holds = [](int64_t pixel, double start, double length, int64_t bin, int64_t bins) {
      const double n = double(bins), i = double(bin), p = double(pixel) - start;
      return p >= std::floor(i * length / n) && p < std::ceil((i + 1) * length / n);
    };
    for (int64_t i = 0; i < o.output_height; ++i) {
      for (int64_t j = 0; j < o.output_width; ++j) {
        for (int64_t c = 0; c < x.shape[3]; ++c) {
          double best = -std::numeric_limits<double>::infinity();
          bool empty = true, nan = false;
          for (int64_t y = 0; y < x.shape[1]; ++y) {
            for (int64_t z = 0; z < x.shape[2]; ++z) {
              if (!holds(y, corner[1], height, i, o.output_height) ||
                  !holds(z, corner[0], width, j, o.output_width)) {
                continue;
              }
              const double v = x.at(int64_t(roi[0]), y, z, c);
              best = std::max(best, v);
              nan |= std::isnan(v);
              empty = false;
            }
          }
          result.at(k, i, j, c) = empty ? 0 : nan ? std::nan("") : best;
        }
      }
    }
  }
  return result;
}

struct Regions {
  std::string name;
  Shape map;
  std::vector<float> rois;
  int64_t height = 7, width = 7;
  double scale = 0.25;
};

std::vector<Regions> all_regions() {
  const auto random = [](const std::string& name, const Shape& map, int64_t count, int64_t height,
                         int64_t width) {
    return Regions{name, map, random_rois(count, map, 5), height, width};
  };
  return {{"nothing", {0, 4, 4, 3}, {}},
          {"no_rois", {1, 4, 4, 3}, {}},
          random("no_channels", {1, 4, 4, 0}, 3, 2, 2),
          {"no_pixels", {1, 0, 5, 2}, {0, 0, 0, 8, 8}, 2, 2},
          {"one_pixel", {1, 1, 1, 1}, {0, 0, 0, 4, 4, 0, -2, -2, 1, 9}, 2, 2},
          {"odd_rois", {1, 6, 5, 2}, kOddRois, 3, 2, 1},
          random("one_bin", {2, 5, 6, 3}, 6, 1, 1),
          random("tall", {2, 9, 11, 5}, 8, 5, 2),
          random("small_bins", {1, 4, 3, 17}, 6, 14, 14),
          random("vectors", {3, 12, 10, 64}, 12, 7, 7),
          random("many", {2, 14, 15, 33}, 40, 5, 5)};
}

OpCase make_roi_align() {
  OpCase op{.name = "roi_align"};
  // A gradient sums some hundred samples of 40 RoIs.
  op.float32 = {3e-5, 1e-5};
  for (const Regions& r : all_regions()) {
    for (const int64_t ratio : {0, 2, 3}) {
      if (ratio == 3 && r.name != "odd_rois") continue;
      for (const bool aligned : {true, false}) {
        if (r.map.numel() > 2000 && aligned != (ratio == 0)) continue;  // One of each will do.
        const RoiAlignOptions options{r.height, r.width, r.scale, ratio, aligned};
        op.configs.push_back(
            {.name = r.name + "_" + std::to_string(ratio) + (aligned ? "" : "_legacy"),
             .inputs = {{"x", r.map}},
             .run =
                 [r, options](const Variables& in) {
                   return Variables{
                       autograd::roi_align(in[0], rois_on(r.rois, in[0].device()), options)};
                 },
             .reference =
                 [r, options](const Arrays& in) {
                   return Arrays{align_reference(in[0], r.rois, options)};
                 }});
      }
    }
  }
  op.goldens.push_back(
      {.file = "ops_roi_align.safetensors",
       .inputs = {"x"},
       .run = [](const Variables& in, const nlohmann::json& p, const auto& tensor) {
         return autograd::roi_align(
             in[0], tensor("rois").to(DType::Float32).to(in[0].device()),
             {p.at("height"), p.at("width"), p.at("scale"), p.at("ratio"), p.at("aligned")});
       }});
  return op;
}

OpCase make_roi_pool() {
  OpCase op{.name = "roi_pool"};
  const auto add = [&](const Regions& r, const OpInput& x, bool gradients) {
    const RoiPoolOptions options{r.height, r.width, r.scale};
    op.configs.push_back({.name = r.name,
                          .inputs = {x},
                          .run =
                              [r, options](const Variables& in) {
                                return Variables{autograd::roi_pool(
                                    in[0], rois_on(r.rois, in[0].device()), options)};
                              },
                          .reference =
                              [r, options](const Arrays& in) {
                                return Arrays{pool_reference(in[0], r.rois, options)};
                              },
                          .gradients = gradients});
  };
  for (const Regions& r : all_regions()) add(r, {"x", r.map}, true);
  const double nan = kNan, inf = kInf;
  add({"not_finite", {1, 2, 3, 1}, {0, 0, 0, 2, 1}, 1, 3, 1},
      {.name = "x", .shape = {1, 2, 3, 1}, .values = {nan, -inf, inf, 1, -inf, 2}}, false);
  op.goldens.push_back(
      {.file = "ops_roi_pool.safetensors",
       .inputs = {"x"},
       .run = [](const Variables& in, const nlohmann::json& p, const auto& tensor) {
         return autograd::roi_pool(in[0], tensor("rois").to(DType::Float32).to(in[0].device()),
                                   {p.at("height"), p.at("width"), p.at("scale")});
       }});
  return op;
}

const OpCaseRegistration roi_align_case("roi_align", make_roi_align);
const OpCaseRegistration roi_pool_case("roi_pool", make_roi_pool);

}  // namespace
}  // namespace kestrel::test
