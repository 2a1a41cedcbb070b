#include <kestrel/autograd/functions/deform_conv2d.h>

#include <cmath>
#include <limits>

#include "../support/op_case.h"

namespace kestrel::test {
namespace {

struct Deform {
  std::string name;
  Shape x;
  int64_t outputs, kernel;
  DeformConv2dParams params = {};
  bool mask = true;
  bool bias = true;

  int64_t samples() const { return params.deform_groups * kernel * kernel; }
  Shape weight() const { return {outputs, kernel, kernel, x[3] / params.groups}; }
  Shape map(int64_t channels) const {
    const auto side = [&](int64_t in) {
      return (in + 2 * params.pad_h - params.dilation_h * (kernel - 1) - 1) / params.stride_h + 1;
    };
    return {x[0], side(x[1]), side(x[2]), channels};
  }
};

/// Channel c of image n at (y, x): tent functions over all pixels, zero around them.
double interpolate(const Array& image, int64_t n, double y, double x, int64_t c) {
  double total = 0;
  for (int64_t i = 0; i < image.shape[1]; ++i) {
    const double wy = 1 - std::abs(y - static_cast<double>(i));
    for (int64_t j = 0; wy > 0 && j < image.shape[2]; ++j) {
      const double wx = 1 - std::abs(x - static_cast<double>(j));
      if (wx > 0) total += wy * wx * image.at(n, i, j, c);
    }
  }
  return total;
}

Array deform_reference(const Arrays& in, const Deform& d) {
  const Array &x = in[0], &offset = in[1], &mask = in[2], &weight = in[3], &bias = in[4];
  Array y(d.map(d.outputs));
  const int64_t channels = d.x[3], taps = d.kernel * d.kernel;
  const int64_t group_o = d.outputs / d.params.groups;
  for (int64_t i = 0; i < y.numel(); ++i) {
    const int64_t o = i % d.outputs, pixel = i / d.outputs, line = pixel / y.shape[2];
    const int64_t ox = pixel % y.shape[2], oy = line % y.shape[1], n = line / y.shape[1];
    y[i] = d.bias ? bias[o] : 0;
    for (int64_t tap = 0; tap < taps; ++tap) {
      const int64_t ky = tap / d.kernel, kx = tap % d.kernel;
      for (int64_t k = 0; k < weight.shape[3]; ++k) {
        const int64_t c = o / group_o * weight.shape[3] + k;
        const int64_t sample = c / (channels / d.params.deform_groups) * taps + tap;
        const auto place = [&](int64_t at, int64_t move) {
          return static_cast<double>(at) + offset.at(n, oy, ox, 2 * sample + move);
        };
        const double value = interpolate(
            x, n, place(oy * d.params.stride_h - d.params.pad_h + ky * d.params.dilation_h, 0),
            place(ox * d.params.stride_w - d.params.pad_w + kx * d.params.dilation_w, 1), c);
        y[i] += weight.at(o, ky, kx, k) * value * (d.mask ? mask.at(n, oy, ox, sample) : 1);
      }
    }
  }
  return y;
}

/// Offsets of a few pixels, at least a fifth from the integers, where interpolation has its kinks.
std::vector<double> offsets(int64_t count) {
  std::vector<double> result;
  for (int64_t i = 0; i < count; ++i) {
    const auto draw = static_cast<double>(i * 7919 % 1009) / 1009;
    const auto whole = static_cast<double>(i * 31 % 5 - 2);
    result.push_back(static_cast<double>(static_cast<float>(whole + 0.2 + 0.6 * draw)));
  }
  return result;
}

DeformConv2dParams deform_window(int64_t stride, int64_t pad, int64_t dilation = 1,
                                 int64_t groups = 1, int64_t deform_groups = 1,
                                 int64_t chunk_pixels = 0) {
  return {.stride_h = stride,
          .stride_w = stride,
          .pad_h = pad,
          .pad_w = pad,
          .dilation_h = dilation,
          .dilation_w = dilation,
          .groups = groups,
          .deform_groups = deform_groups,
          .chunk_pixels = chunk_pixels};
}

OpConfig config_of(const Deform& d, const std::vector<double>& places) {
  return {
      .name = d.name,
      .inputs =
          {{"x", d.x},
           {.name = "offset", .shape = d.map(2 * d.samples()), .parameter = true, .values = places},
           {.name = "mask",
            .shape = d.map(d.samples()),
            .mean = 0.5,
            .std = 0.3,
            .differentiable = d.mask,
            .parameter = true},
           {"weight", d.weight()},
           {.name = "bias", .shape = {d.outputs}, .differentiable = d.bias, .parameter = true}},
      .run =
          [d](const Variables& in) {
            return Variables{autograd::deform_conv2d(in[0], in[1], d.mask ? in[2] : Variable(),
                                                     in[3], d.bias ? in[4] : Variable(), d.params)};
          },
      .reference = [d](const Arrays& in) { return Arrays{deform_reference(in, d)}; }};
}

OpCase make_deform_conv2d() {
  OpCase op{.name = "deform_conv2d"};
  const std::vector<Deform> cases{
      {"no_images", {0, 5, 5, 4}, 4, 3, deform_window(1, 1)},
      {"no_channels", {1, 4, 3, 0}, 4, 3, deform_window(1, 1)},
      {"no_outputs", {1, 4, 3, 4}, 0, 3, deform_window(1, 1)},
      {"one", {1, 1, 1, 1}, 1, 1},
      {"smaller_than_kernel", {1, 2, 1, 3}, 4, 3, deform_window(1, 1)},
      {"v1", {2, 4, 5, 8}, 8, 3, deform_window(1, 1), false, false},
      {"v2", {2, 4, 5, 8}, 8, 3, deform_window(1, 1), true, false},
      {"odd", {1, 6, 5, 3}, 5, 3, deform_window(1, 1), false},
      {"stride2_dilation2", {1, 8, 9, 4}, 5, 3, deform_window(2, 2, 2)},
      {"groups", {1, 4, 5, 8}, 12, 3, deform_window(1, 1, 1, 4)},
      {"crossed_groups", {1, 5, 6, 12}, 8, 3, deform_window(2, 1, 1, 2, 3)},
      {"depthwise", {1, 4, 3, 6}, 6, 3, deform_window(1, 1, 1, 6, 6)},
      {"wide", {1, 6, 7, 48}, 32, 3, deform_window(1, 1)},
      {"wide_groups", {1, 4, 5, 64}, 32, 3, deform_window(1, 1, 1, 2, 4)},
      {"chunks", {3, 4, 3, 8}, 8, 3, deform_window(1, 1, 1, 1, 2, 7)},
  };
  // Sums of up to 432 products of size about 1, in the offsets' gradient of differences of such
  // sums.
  op.float32 = {1e-3, 1e-4};
  // Columns and their gradients, of size about 6, are rounded before up to 48 of them are summed.
  op.bfloat16 = {2e-1, 2e-2};
  op.gradcheck_tolerance = 1e-5;
  for (const Deform& d : cases) {
    op.configs.push_back(config_of(d, offsets(d.map(2 * d.samples()).numel())));
  }
  // Samples just inside and outside the map, far away, and nowhere.
  const Deform strange{"strange_offsets", {1, 3, 4, 4}, 3, 1, deform_window(1, 0)};
  std::vector<double> places;
  for (const double place :
       {0.0, -1.0, -0.75, 2.75, 3.0, 1e30, -1e30, std::numeric_limits<double>::infinity(),
        std::numeric_limits<double>::quiet_NaN(), 0.25, 5e9, -3.5}) {
    places.push_back(place);
    places.push_back(0.25);
  }
  op.configs.push_back(config_of(strange, places));
  op.configs.back().gradients = false;

  op.goldens.push_back({.file = "ops_deform_conv2d.safetensors",
                        .inputs = {"x", "offset", "mask", "weight", "bias"},
                        .run = [](const Variables& in, const nlohmann::json& p, const auto&) {
                          return autograd::deform_conv2d(
                              in[0], in[1], in[2], in[3], in[4],
                              deform_window(p.at("stride"), p.at("pad"), p.at("dilation"),
                                            p.at("groups"), p.at("deform_groups")));
                        }});
  return op;
}

const OpCaseRegistration deform_conv2d_case("deform_conv2d", make_deform_conv2d);

}  // namespace
}  // namespace kestrel::test
