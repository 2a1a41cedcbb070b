#include <kestrel/autograd/functions/conv2d.h>

#include "../support/op_case.h"

namespace kestrel::test {
namespace {

/// Calls f(output pixel, input pixel, ky, kx) for every pair of pixels that a window joins; pixels
/// count over (N, H, W) of maps of the given sizes.
template <class F>
void each_tap(const Shape& in, const Shape& out, int64_t kernel_h, int64_t kernel_w,
              const Conv2dParams& p, F f) {
  for (int64_t i = 0; i < out[0] * out[1] * out[2]; ++i) {
    const int64_t n = i / out[2] / out[1], oy = i / out[2] % out[1], ox = i % out[2];
    for (int64_t ky = 0; ky < kernel_h; ++ky) {
      for (int64_t kx = 0; kx < kernel_w; ++kx) {
        const int64_t y = oy * p.stride_h - p.pad_h + ky * p.dilation_h;
        const int64_t x = ox * p.stride_w - p.pad_w + kx * p.dilation_w;
        if (y >= 0 && y < in[1] && x >= 0 && x < in[2]) f(i, (n * in[1] + y) * in[2] + x, ky, kx);
      }
    }
  }
}

struct Conv {
  std::string name;
  Shape x;
  int64_t outputs, kernel;
  Conv2dParams params = {};
  bool bias = true;
  bool residual = false;

  Shape weight() const { return {outputs, kernel, kernel, x[3] / params.groups}; }
  Shape output() const {
    const auto side = [&](int64_t in) {
      return (in + 2 * params.pad_h - params.dilation_h * (kernel - 1) - 1) / params.stride_h + 1;
    };
    return {x[0], side(x[1]), side(x[2]), outputs};
  }
};

Array conv_reference(const Arrays& in, const Conv& c) {
  Array y(c.output());
  const int64_t inputs = c.x[3], width = inputs / c.params.groups;
  const int64_t group_outputs = c.outputs / c.params.groups;
  each_tap(c.x, y.shape, c.kernel, c.kernel, c.params,
           [&](int64_t to, int64_t from, int64_t ky, int64_t kx) {
             for (int64_t o = 0; o < c.outputs; ++o) {
               for (int64_t k = 0; k < width; ++k) {
                 y[to * c.outputs + o] +=
                     in[1].at(o, ky, kx, k) * in[0][from * inputs + o / group_outputs * width + k];
               }
             }
           });
  for (int64_t i = 0; i < y.numel(); ++i) {
    if (c.bias) y[i] += in[2][i % c.outputs];
    if (c.residual) y[i] += in[3][i];
    if (c.params.relu && y[i] < 0) y[i] = 0;
  }
  return y;
}

Conv2dParams window(int64_t stride, int64_t pad, int64_t dilation = 1, int64_t groups = 1,
                    bool relu = false) {
  return {.stride_h = stride,
          .stride_w = stride,
          .pad_h = pad,
          .pad_w = pad,
          .dilation_h = dilation,
          .dilation_w = dilation,
          .groups = groups,
          .relu = relu};
}

OpCase make_conv2d() {
  OpCase op{.name = "conv2d"};
  const std::vector<Conv> cases{
      {"no_images", {0, 5, 5, 3}, 4, 3, window(1, 1)},
      {"one", {1, 1, 1, 1}, 1, 1},
      {"1x1", {2, 5, 7, 6}, 9, 1},
      {"1x1_stride2", {1, 6, 7, 5}, 4, 1, window(2, 0), false},
      {"3x3", {2, 5, 6, 5}, 8, 3, window(1, 1)},
      {"3x3_plain", {2, 5, 6, 5}, 8, 3, window(1, 1), false},
      {"3x3_relu", {1, 6, 6, 8}, 8, 3, window(1, 1, 1, 1, true)},
      {"3x3_residual", {1, 6, 5, 4}, 4, 3, window(1, 1), true, true},
      {"3x3_residual_relu", {1, 6, 5, 4}, 4, 3, window(1, 1, 1, 1, true), true, true},
      {"3x3_stride2", {1, 9, 8, 4}, 6, 3, window(2, 1)},
      {"3x3_dilation2", {1, 9, 10, 4}, 5, 3, window(1, 2, 2)},
      {"3x3_groups", {1, 6, 7, 8}, 12, 3, window(1, 1, 1, 4)},
      {"3x3_groups_of_one", {1, 5, 6, 5}, 15, 3, window(1, 1, 1, 5)},
      {"3x3_groups_stride2", {1, 7, 6, 48}, 24, 3, window(2, 1, 1, 6), true, true},
      {"3x3_groups_of_4", {1, 5, 7, 16}, 16, 3, window(1, 1, 1, 4, true), true, true},
      {"3x3_groups_of_8", {2, 4, 9, 24}, 24, 3, window(1, 1, 1, 3)},
      {"3x3_groups_of_8_dilated", {1, 7, 6, 16}, 48, 3, window(2, 2, 2, 2), false},
      {"1x1_groups", {2, 4, 5, 36}, 54, 1, window(1, 0, 1, 9)},
      {"depthwise", {1, 6, 7, 8}, 8, 3, window(1, 1, 1, 8)},
      {"depthwise_wide", {2, 9, 7, 70}, 70, 3, window(2, 1, 1, 70, true), true, true},
      {"depthwise_dilated", {1, 8, 9, 33}, 33, 3, window(1, 3, 2, 33), false},
      {"depthwise_5x5_small_map", {1, 2, 3, 32}, 32, 5, window(1, 2, 1, 32)},
      {"5x5", {1, 7, 8, 3}, 4, 5, window(1, 2)},
      {"7x7_stride2", {1, 19, 22, 3}, 16, 7, window(2, 3)},
      {"wide", {1, 14, 18, 33}, 37, 3, window(1, 1)},
      {"many_channels", {1, 5, 5, 130}, 70, 1},
  };
  // Sums of up to 300 products of size about 1 (forward) and 500 (weights' gradient), in float32
  // with Winograd's cancellation in 3x3 kernels.
  op.float32 = {1e-3, 1e-4};
  // Results up to about 60 are rounded once.
  op.bfloat16 = {6e-2, 1.5e-2};
  op.gradcheck_tolerance = 1e-5;
  for (const Conv& c : cases) {
    op.configs.push_back(
        {.name = c.name,
         .inputs =
             {{"x", c.x},
              {"weight", c.weight()},
              {.name = "bias", .shape = {c.outputs}, .differentiable = c.bias, .parameter = true},
              {.name = "residual", .shape = c.output(), .differentiable = c.residual}},
         .run =
             [c](const Variables& in) {
               return Variables{autograd::conv2d(in[0], in[1], c.bias ? in[2] : Variable(),
                                                 c.params, c.residual ? in[3] : Variable())};
             },
         .reference = [c](const Arrays& in) { return Arrays{conv_reference(in, c)}; }});
  }
  op.goldens.push_back(
      {.file = "ops_conv2d.safetensors",
       .inputs = {"x", "weight", "bias", "residual"},
       .run = [](const Variables& in, const nlohmann::json& p, const auto&) {
         return autograd::conv2d(
             in[0], in[1], in[2],
             window(p.at("stride"), p.at("pad"), p.at("dilation"), p.at("groups"), p.at("relu")),
             in[3]);
       }});
  return op;
}

struct Transposed {
  std::string name;
  Shape x;
  int64_t outputs, kernel;
  autograd::ConvTranspose2dParams params = {};
  bool bias = true;

  Shape weight() const { return {x[3], kernel, kernel, outputs / params.groups}; }
  Shape output() const {
    const auto side = [&](int64_t in) {
      return (in - 1) * params.stride - 2 * params.padding + params.dilation * (kernel - 1) +
             params.output_padding + 1;
    };
    return {x[0], side(x[1]), side(x[2]), outputs};
  }
};

Array transposed_reference(const Arrays& in, const Transposed& c) {
  Array y(c.output());
  const int64_t inputs = c.x[3], group_inputs = inputs / c.params.groups;
  const int64_t width = c.outputs / c.params.groups;
  each_tap(y.shape, c.x, c.kernel, c.kernel,
           window(c.params.stride, c.params.padding, c.params.dilation),
           [&](int64_t from, int64_t to, int64_t ky, int64_t kx) {
             for (int64_t i = 0; i < inputs; ++i) {
               for (int64_t k = 0; k < width; ++k) {
                 y[to * c.outputs + i / group_inputs * width + k] +=
                     in[0][from * inputs + i] * in[1].at(i, ky, kx, k);
               }
             }
           });
  for (int64_t i = 0; c.bias && i < y.numel(); ++i) y[i] += in[2][i % c.outputs];
  return y;
}

OpCase make_conv_transpose2d() {
  OpCase op{.name = "conv_transpose2d"};
  const std::vector<Transposed> cases{
      {"no_images", {0, 3, 3, 4}, 2, 2, {.stride = 2}},
      {"one", {1, 1, 1, 1}, 1, 1},
      {"2x2_stride2", {2, 4, 5, 6}, 4, 2, {.stride = 2}},
      {"2x2_stride2_plain", {2, 4, 5, 6}, 4, 2, {.stride = 2}, false},
      {"3x3", {1, 5, 4, 4}, 5, 3, {.padding = 1}},
      {"3x3_output_padding", {1, 5, 4, 4}, 5, 3, {.stride = 2, .padding = 1, .output_padding = 1}},
      {"4x4_groups", {1, 4, 4, 6}, 4, 4, {.stride = 2, .padding = 1, .groups = 2}},
      {"3x3_dilation2", {1, 4, 5, 3}, 2, 3, {.dilation = 2}},
      {"wide", {1, 7, 9, 33}, 35, 2, {.stride = 2}},
  };
  op.float32 = {1e-3, 1e-4};
  op.bfloat16 = {6e-2, 1.5e-2};
  op.gradcheck_tolerance = 1e-5;
  for (const Transposed& c : cases) {
    op.configs.push_back(
        {.name = c.name,
         .inputs =
             {{"x", c.x},
              {"weight", c.weight()},
              {.name = "bias", .shape = {c.outputs}, .differentiable = c.bias, .parameter = true}},
         .run =
             [c](const Variables& in) {
               return Variables{
                   autograd::conv_transpose2d(in[0], in[1], c.bias ? in[2] : Variable(), c.params)};
             },
         .reference = [c](const Arrays& in) { return Arrays{transposed_reference(in, c)}; }});
  }
  op.goldens.push_back({.file = "ops_conv_transpose2d.safetensors",
                        .inputs = {"x", "weight", "bias"},
                        .run = [](const Variables& in, const nlohmann::json& p, const auto&) {
                          return autograd::conv_transpose2d(
                              in[0], in[1], in[2],
                              {.stride = p.at("stride"),
                               .padding = p.at("pad"),
                               .output_padding = p.at("output_padding"),
                               .dilation = p.at("dilation"),
                               .groups = p.at("groups")});
                        }});
  return op;
}

const OpCaseRegistration conv2d_case("conv2d", make_conv2d);
const OpCaseRegistration conv_transpose2d_case("conv_transpose2d", make_conv_transpose2d);

}  // namespace
}  // namespace kestrel::test
