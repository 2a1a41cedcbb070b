#include <kestrel/autograd/functions/group_norm.h>

#include <cmath>

#include "../support/op_case.h"

namespace kestrel::test {
namespace {

Array group_norm_reference(const Arrays& in, int64_t groups, bool affine, bool relu) {
  const Array& x = in[0];
  const int64_t images = x.shape[0], channels = x.shape[-1], width = channels / groups;
  const int64_t rows = x.numel() / std::max<int64_t>(1, images * channels);
  Array y(x.shape);
  for (int64_t n = 0; n < images; ++n) {
    for (int64_t g = 0; g < groups; ++g) {
      const auto each = [&](auto f) {
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t c = g * width; c < (g + 1) * width; ++c) f((n * rows + r) * channels + c, c);
        }
      };
      const auto count = static_cast<double>(rows * width);
      double mean = 0, variance = 0;
      each([&](int64_t i, int64_t) { mean += x[i] / count; });
      each([&](int64_t i, int64_t) { variance += (x[i] - mean) * (x[i] - mean) / count; });
      each([&](int64_t i, int64_t c) {
        double v = (x[i] - mean) / std::sqrt(variance + 1e-5);
        if (affine) v = v * in[1][c] + in[2][c];
        y[i] = relu && v < 0 ? 0 : v;
      });
    }
  }
  return y;
}

OpCase make_group_norm() {
  struct Case {
    const char* name;
    Shape shape;
    int64_t groups;
    bool affine = true;
    bool relu = false;
  };
  const std::vector<Case> cases{
      {"no_images", {0, 3, 3, 4}, 2},     {"no_pixels", {2, 0, 3, 4}, 2},
      {"one_pixel", {1, 1, 1, 6}, 2},     {"layer", {2, 3, 4, 6}, 1},
      {"instance", {2, 3, 4, 6}, 6},      {"two_dimensions", {5, 12}, 3},
      {"odd", {2, 5, 7, 15}, 3},          {"odd_relu", {2, 5, 7, 15}, 3, true, true},
      {"plain", {2, 5, 7, 15}, 5, false}, {"plain_relu", {2, 5, 7, 15}, 5, false, true},
      {"wide", {1, 4, 3, 256}, 32},       {"many_chunks", {2, 67, 59, 32}, 8, true, true},
  };
  OpCase op{.name = "group_norm"};
  // Gradients of weights are sums over up to 7,906 rows.
  op.float32 = {1e-4, 1e-5};
  op.bfloat16 = {3e-2, 1e-2};
  for (const Case& c : cases) {
    const Shape channels{c.shape[-1]};
    op.configs.push_back(
        {.name = c.name,
         .inputs =
             {{.name = "x", .shape = c.shape, .mean = 0.5, .std = 2},
              {.name = "weight",
               .shape = channels,
               .mean = 1,
               .std = 0.5,
               .differentiable = c.affine,
               .parameter = true},
              {.name = "bias", .shape = channels, .differentiable = c.affine, .parameter = true}},
         .run =
             [c](const Variables& in) {
               return Variables{autograd::group_norm(in[0], c.affine ? in[1] : Variable(),
                                                     c.affine ? in[2] : Variable(), c.groups, 1e-5,
                                                     c.relu)};
             },
         .reference =
             [c](const Arrays& in) {
               return Arrays{group_norm_reference(in, c.groups, c.affine, c.relu)};
             }});
  }
  op.goldens.push_back({.file = "ops_group_norm.safetensors",
                        .inputs = {"x", "weight", "bias"},
                        .run = [](const Variables& in, const nlohmann::json& p, const auto&) {
                          return autograd::group_norm(in[0], in[1], in[2], p.at("groups"),
                                                      p.at("eps"));
                        }});
  return op;
}

const OpCaseRegistration group_norm_case("group_norm", make_group_norm);

}  // namespace
}  // namespace kestrel::test
