#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <type_traits>
#include <vector>

#include <kestrel/kernels/conv2d.h>

/// Convolutions of awkward shapes, and what the CPU's kernels are held against: sums in double.
namespace kestrel::conv2d_test {

struct Case {
  const char* name;
  int64_t batch, height, width, channels, outputs, kernel_h, kernel_w;
  Conv2dParams params = {};

  int64_t out_h() const {
    const int64_t span = height + 2 * params.pad_h - params.dilation_h * (kernel_h - 1) - 1;
    return span < 0 ? 0 : span / params.stride_h + 1;
  }
  int64_t out_w() const {
    const int64_t span = width + 2 * params.pad_w - params.dilation_w * (kernel_w - 1) - 1;
    return span < 0 ? 0 : span / params.stride_w + 1;
  }
  Shape input() const { return {batch, height, width, channels}; }
  Shape weight() const { return {outputs, kernel_h, kernel_w, channels / params.groups}; }
  Shape output() const { return {batch, out_h(), out_w(), outputs}; }
};

/// Calls f(output pixel index, input pixel index, tap index) for every pair that meets.
template <class F>
void each_tap(const Case& c, F&& f) {
  const Conv2dParams& p = c.params;
  for (int64_t n = 0; n < c.batch; ++n) {
    for (int64_t oy = 0; oy < c.out_h(); ++oy) {
      for (int64_t ox = 0; ox < c.out_w(); ++ox) {
        for (int64_t ky = 0; ky < c.kernel_h; ++ky) {
          for (int64_t kx = 0; kx < c.kernel_w; ++kx) {
            const int64_t y = oy * p.stride_h - p.pad_h + ky * p.dilation_h;
            const int64_t x = ox * p.stride_w - p.pad_w + kx * p.dilation_w;
            if (y < 0 || y >= c.height || x < 0 || x >= c.width) continue;
            f((n * c.out_h() + oy) * c.out_w() + ox, (n * c.height + y) * c.width + x,
              ky * c.kernel_w + kx);
          }
        }
      }
    }
  }
}

/// A tensor in float32 and the values it has after rounding to dtype T, in double.
template <class T>
struct Data {
  std::vector<T> values;
  Shape shape;

  Data() = default;
  explicit Data(Shape s) : values(static_cast<size_t>(s.numel())), shape(s) {}
  View view() { return {values.data(), dtype_of<T>, shape}; }
  double operator[](int64_t i) const {
    if constexpr (std::is_same_v<T, bfloat16>)
      return static_cast<float>(values[static_cast<size_t>(i)]);
    else
      return static_cast<double>(values[static_cast<size_t>(i)]);
  }
};

template <class T>
Data<T> random_data(Shape shape, uint32_t seed) {
  Data<T> data(shape);
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  for (T& value : data.values) value = static_cast<T>(normal(generator));
  return data;
}

inline double max_abs(const std::vector<double>& v) {
  double most = 0;
  for (const double x : v) most = std::max(most, std::abs(x));
  return most;
}

/// Largest difference, relative to the largest reference value.
template <class T>
double relative_error(const Data<T>& got, const std::vector<double>& expected) {
  double worst = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(got[static_cast<int64_t>(i)] - expected[i]);
    worst = std::isnan(difference) ? INFINITY : std::max(worst, difference);
  }
  const double scale = max_abs(expected);
  return scale == 0 ? worst : worst / scale;
}

inline std::vector<double> forward_reference(const Case& c, const auto& input, const auto& weight,
                                             const auto& bias, const auto& residual) {
  std::vector<double> out(static_cast<size_t>(c.output().numel()));
  const int64_t group_c = c.channels / c.params.groups, group_o = c.outputs / c.params.groups;
  for (size_t i = 0; i < out.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    if (!bias.values.empty()) out[i] += bias[at % c.outputs];
    if (!residual.values.empty()) out[i] += residual[at];
  }
  each_tap(c, [&](int64_t to, int64_t from, int64_t tap) {
    for (int64_t o = 0; o < c.outputs; ++o) {
      double sum = 0;
      for (int64_t i = 0; i < group_c; ++i) {
        sum += input[from * c.channels + o / group_o * group_c + i] *
               weight[(o * c.kernel_h * c.kernel_w + tap) * group_c + i];
      }
      out[static_cast<size_t>(to * c.outputs + o)] += sum;
    }
  });
  if (c.params.relu) {
    for (double& value : out) value = std::max(0.0, value);
  }
  return out;
}

inline const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"pointwise", 2, 9, 11, 32, 48, 1, 1},
      {"pointwise_wide", 1, 13, 17, 256, 64, 1, 1},
      {"pointwise_deep", 1, 5, 7, 1100, 96, 1, 1},
      {"pointwise_stride2", 2, 9, 12, 24, 40, 1, 1, {.stride_h = 2, .stride_w = 2}},
      {"pointwise_one_channel", 1, 6, 5, 1, 1, 1, 1},
      {"pointwise_odd_outputs", 1, 9, 10, 60, 37, 1, 1},
      {"three", 1, 14, 19, 64, 64, 3, 3, {.pad_h = 1, .pad_w = 1}},
      {"three_batch", 3, 9, 9, 20, 33, 3, 3, {.pad_h = 1, .pad_w = 1}},
      {"three_large", 1, 33, 41, 48, 64, 3, 3, {.pad_h = 1, .pad_w = 1}},
      {"three_no_pad", 1, 12, 11, 16, 16, 3, 3},
      {"three_wide_pad", 1, 7, 6, 16, 32, 3, 3, {.pad_h = 2, .pad_w = 3}},
      {"three_relu", 1, 21, 18, 32, 36, 3, 3, {.pad_h = 1, .pad_w = 1, .relu = true}},
      {"three_one_row", 1, 1, 9, 32, 32, 3, 3, {.pad_h = 1, .pad_w = 1}},
      {"three_one_column", 1, 9, 1, 32, 32, 3, 3, {.pad_h = 1, .pad_w = 1}},
      {"three_one_pixel", 2, 1, 1, 40, 24, 3, 3, {.pad_h = 1, .pad_w = 1}},
      {"three_tiny", 1, 3, 2, 64, 64, 3, 3, {.pad_h = 1, .pad_w = 1}},
      {"three_no_output", 1, 2, 2, 8, 8, 3, 3},
      {"three_from_3", 1, 20, 20, 3, 32, 3, 3, {.pad_h = 1, .pad_w = 1}},
      {"three_to_1", 1, 24, 20, 32, 1, 3, 3, {.pad_h = 1, .pad_w = 1}},
      {"head_819", 1, 10, 12, 32, 819, 3, 3, {.pad_h = 1, .pad_w = 1}},
      {"head_36", 1, 17, 25, 64, 36, 3, 3, {.pad_h = 1, .pad_w = 1}},
      {"groups_of_8", 1, 19, 101, 320, 320, 3, 3, {.pad_h = 1, .pad_w = 1, .groups = 40}},
      {"groups_of_4", 2, 9, 50, 32, 64, 3, 3, {.pad_h = 1, .pad_w = 1, .groups = 8}},
      {"groups_of_16", 1, 12, 13, 48, 48, 3, 3, {.pad_h = 1, .pad_w = 0, .groups = 3}},
      {"groups_of_32_stride2",
       1,
       13,
       21,
       64,
       64,
       3,
       3,
       {.stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1, .groups = 2, .relu = true}},
      {"three_to_512", 1, 9, 14, 32, 512, 3, 3, {.pad_h = 1, .pad_w = 1}},
      {"three_stride2",
       2,
       15,
       18,
       32,
       40,
       3,
       3,
       {.stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1}},
      {"three_stride2_even",
       1,
       16,
       14,
       16,
       16,
       3,
       3,
       {.stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1, .relu = true}},
      {"three_stride21",
       1,
       12,
       13,
       16,
       24,
       3,
       3,
       {.stride_h = 2, .stride_w = 1, .pad_h = 1, .pad_w = 1}},
      {"three_stride3",
       1,
       13,
       14,
       8,
       8,
       3,
       3,
       {.stride_h = 3, .stride_w = 3, .pad_h = 0, .pad_w = 1}},
      {"three_dilated",
       1,
       15,
       14,
       24,
       32,
       3,
       3,
       {.pad_h = 2, .pad_w = 2, .dilation_h = 2, .dilation_w = 2}},
      {"three_dilated_stride2",
       1,
       15,
       14,
       16,
       16,
       3,
       3,
       {.stride_h = 2, .stride_w = 2, .pad_h = 2, .pad_w = 2, .dilation_h = 2, .dilation_w = 2}},
      {"five", 1, 11, 13, 16, 32, 5, 5, {.pad_h = 2, .pad_w = 2}},
      {"five_by_three", 1, 11, 13, 12, 20, 5, 3, {.pad_h = 2, .pad_w = 1}},
      {"one_by_three", 1, 11, 13, 16, 20, 1, 3, {.pad_h = 0, .pad_w = 1}},
      {"stem", 1, 37, 45, 3, 64, 7, 7, {.stride_h = 2, .stride_w = 2, .pad_h = 3, .pad_w = 3}},
      {"stem_wide_pad",
       2,
       9,
       210,
       3,
       33,
       3,
       5,
       {.stride_h = 1, .stride_w = 2, .pad_h = 2, .pad_w = 4, .relu = true}},
      {"two_channels_stride3", 1, 12, 20, 2, 16, 3, 3, {.stride_h = 3, .stride_w = 3}},
      {"patchify", 1, 16, 20, 3, 96, 4, 4, {.stride_h = 4, .stride_w = 4}},
      {"kernel_beyond_map", 1, 2, 3, 8, 16, 7, 7, {.pad_h = 3, .pad_w = 3}},
      {"transposed_like", 1, 14, 14, 16, 32, 2, 2, {.stride_h = 2, .stride_w = 2}},
      {"grouped", 2, 10, 9, 32, 48, 3, 3, {.pad_h = 1, .pad_w = 1, .groups = 4}},
      {"grouped_wide", 1, 10, 9, 128, 64, 3, 3, {.pad_h = 1, .pad_w = 1, .groups = 2}},
      {"grouped_pointwise", 1, 6, 5, 24, 12, 1, 1, {.groups = 3}},
      {"grouped_stride2",
       1,
       11,
       12,
       64,
       64,
       3,
       3,
       {.stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1, .groups = 16}},
      {"depthwise", 2, 12, 13, 40, 40, 3, 3, {.pad_h = 1, .pad_w = 1, .groups = 40}},
      {"depthwise_stride2",
       1,
       12,
       13,
       33,
       33,
       5,
       5,
       {.stride_h = 2, .stride_w = 2, .pad_h = 2, .pad_w = 2, .groups = 33}},
      {"depthwise_multiplier", 1, 8, 7, 6, 12, 3, 3, {.pad_h = 1, .pad_w = 1, .groups = 6}},
      {"zero_batch", 0, 8, 8, 16, 16, 3, 3, {.pad_h = 1, .pad_w = 1}},
      {"zero_outputs", 1, 8, 8, 16, 0, 3, 3, {.pad_h = 1, .pad_w = 1}},
      {"zero_channels", 1, 6, 5, 0, 8, 3, 3, {.pad_h = 1, .pad_w = 1}},
      {"zero_height", 1, 0, 5, 8, 8, 3, 3, {.pad_h = 1, .pad_w = 1}},
  };
  return all;
}

// Sums of up to some thousand products of unit normals. Direct summation in float32 errs by about
// 1e-6 of the largest result; F(4x4, 3x3) Winograd transforms by about 5e-6 more.
template <class T>
double tolerance() {
  if (std::is_same_v<T, double>) return 1e-13;
  // bfloat16 rounds the result itself by up to 2^-9 of its size; the operands are exact.
  return std::is_same_v<T, bfloat16> ? 4.5e-3 : 2e-5;
}

template <class T>
void check_forward(const Case& c) {
  auto input = random_data<T>(c.input(), 1);
  auto weight = random_data<T>(c.weight(), 2);
  for (const bool with_residual : {false, true}) {
    auto bias = with_residual ? random_data<T>({c.outputs}, 3) : Data<T>();
    auto residual = with_residual ? random_data<T>(c.output(), 4) : Data<T>();
    Data<T> output(c.output());
    for (T& value : output.values) value = static_cast<T>(NAN);
    cpu::conv2d_forward(input.view(), weight.view(), with_residual ? bias.view() : View{},
                        with_residual ? residual.view() : View{}, output.view(), c.params);
    EXPECT_LE(relative_error(output, forward_reference(c, input, weight, bias, residual)),
              tolerance<T>())
        << c.name << (with_residual ? " with bias and residual" : "");
  }
}

template <class T>
void check_backward_data(const Case& c) {
  auto grad_output = random_data<T>(c.output(), 5);
  auto weight = random_data<T>(c.weight(), 2);
  Data<T> grad_input(c.input());
  for (T& value : grad_input.values) value = static_cast<T>(NAN);
  cpu::conv2d_backward_data(grad_output.view(), weight.view(), grad_input.view(), c.params);
  std::vector<double> expected(static_cast<size_t>(c.input().numel()));
  const int64_t group_c = c.channels / c.params.groups, group_o = c.outputs / c.params.groups;
  each_tap(c, [&](int64_t to, int64_t from, int64_t tap) {
    for (int64_t o = 0; o < c.outputs; ++o) {
      for (int64_t i = 0; i < group_c; ++i) {
        expected[static_cast<size_t>(from * c.channels + o / group_o * group_c + i)] +=
            grad_output[to * c.outputs + o] *
            weight[(o * c.kernel_h * c.kernel_w + tap) * group_c + i];
      }
    }
  });
  EXPECT_LE(relative_error(grad_input, expected), tolerance<T>()) << c.name;
}

template <class T, class W>
void check_backward_weights(const Case& c) {
  auto input = random_data<T>(c.input(), 1);
  auto grad_output = random_data<T>(c.output(), 5);
  Data<W> grad_weight(c.weight()), grad_bias(Shape{c.outputs});
  for (W& value : grad_weight.values) value = static_cast<W>(NAN);
  for (W& value : grad_bias.values) value = static_cast<W>(NAN);
  cpu::conv2d_backward_weights(input.view(), grad_output.view(), grad_weight.view(),
                               grad_bias.view(), c.params);
  std::vector<double> expected(static_cast<size_t>(c.weight().numel()));
  std::vector<double> expected_bias(static_cast<size_t>(c.outputs));
  const int64_t group_c = c.channels / c.params.groups, group_o = c.outputs / c.params.groups;
  each_tap(c, [&](int64_t to, int64_t from, int64_t tap) {
    for (int64_t o = 0; o < c.outputs; ++o) {
      for (int64_t i = 0; i < group_c; ++i) {
        expected[static_cast<size_t>((o * c.kernel_h * c.kernel_w + tap) * group_c + i)] +=
            grad_output[to * c.outputs + o] * input[from * c.channels + o / group_o * group_c + i];
      }
    }
  });
  for (int64_t i = 0; i < c.output().numel(); ++i) {
    expected_bias[static_cast<size_t>(i % c.outputs)] += grad_output[i];
  }
  EXPECT_LE(relative_error(grad_weight, expected), tolerance<W>()) << c.name;
  EXPECT_LE(relative_error(grad_bias, expected_bias), tolerance<W>()) << c.name << ", bias";
}

/// All three results of a case, as bytes.
template <class T>
std::vector<Data<T>> run_all(const Case& c) {
  auto input = random_data<T>(c.input(), 1);
  auto weight = random_data<T>(c.weight(), 2);
  auto bias = random_data<T>({c.outputs}, 3);
  auto grad_output = random_data<T>(c.output(), 5);
  std::vector<Data<T>> results = {Data<T>(c.output()), Data<T>(c.input()), Data<T>(c.weight()),
                                  Data<T>(Shape{c.outputs})};
  cpu::conv2d_forward(input.view(), weight.view(), bias.view(), {}, results[0].view(), c.params);
  cpu::conv2d_backward_data(grad_output.view(), weight.view(), results[1].view(), c.params);
  cpu::conv2d_backward_weights(input.view(), grad_output.view(), results[2].view(),
                               results[3].view(), c.params);
  return results;
}

template <class T>
bool same_bytes(const Data<T>& a, const Data<T>& b) {
  return a.values.size() == b.values.size() &&
         (a.values.empty() ||
          std::memcmp(a.values.data(), b.values.data(), a.values.size() * sizeof(T)) == 0);
}

}  // namespace kestrel::conv2d_test
