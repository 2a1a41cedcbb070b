#include <cmath>
#include <string>

#include <kestrel/kernels/conv2d.h>
#include <kestrel/tensor/random.h>

#include "../support/cuda_twin.h"

namespace kestrel::test {
namespace {

struct CudaConv {
  std::string name;
  Shape input, weight;
  Conv2dParams params = {};

  Shape output() const {
    const auto side = [](int64_t in, int64_t kernel, int64_t stride, int64_t pad,
                         int64_t dilation) {
      const int64_t span = in + 2 * pad - dilation * (kernel - 1) - 1;
      return span < 0 ? 0 : span / stride + 1;
    };
    return {input[0], side(input[1], weight[1], params.stride_h, params.pad_h, params.dilation_h),
            side(input[2], weight[2], params.stride_w, params.pad_w, params.dilation_w), weight[0]};
  }
};

const CudaConv kConvs[] = {
    {"pointwise", {2, 5, 11, 32}, {48, 1, 1, 32}},
    {"pointwise_deep", {1, 5, 7, 1100}, {40, 1, 1, 1100}},
    {"pointwise_stride2", {1, 9, 12, 24}, {40, 1, 1, 24}, {.stride_h = 2, .stride_w = 2}},
    {"one", {1, 1, 1, 1}, {1, 1, 1, 1}},
    {"three", {1, 9, 13, 64}, {72, 3, 3, 64}, {.pad_h = 1, .pad_w = 1, .relu = true}},
    {"three_odd", {2, 6, 7, 5}, {13, 3, 3, 5}, {.pad_h = 1, .pad_w = 1}},
    {"head_36", {1, 7, 9, 32}, {36, 3, 3, 32}, {.pad_h = 1, .pad_w = 1}},
    {"stride2",
     {2, 9, 12, 16},
     {24, 3, 3, 16},
     {.stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1}},
    {"stride23_dilated",
     {1, 13, 14, 8},
     {16, 3, 3, 8},
     {.stride_h = 2, .stride_w = 3, .pad_h = 2, .pad_w = 1, .dilation_h = 2, .dilation_w = 2}},
    {"stem", {1, 21, 25, 3}, {24, 7, 7, 3}, {.stride_h = 2, .stride_w = 2, .pad_h = 3, .pad_w = 3}},
    {"patchify", {1, 9, 8, 3}, {16, 4, 4, 3}, {.stride_h = 4, .stride_w = 4}},
    {"kernel_beyond_map", {1, 2, 3, 8}, {16, 7, 7, 8}, {.pad_h = 3, .pad_w = 3}},
    {"grouped", {1, 6, 7, 32}, {48, 3, 3, 8}, {.pad_h = 1, .pad_w = 1, .groups = 4}},
    {"grouped_thin",
     {1, 7, 6, 16},
     {32, 3, 3, 2},
     {.stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1, .groups = 8}},
    {"depthwise", {2, 7, 6, 40}, {40, 3, 3, 1}, {.pad_h = 1, .pad_w = 1, .groups = 40}},
    {"depthwise_stride2",
     {1, 12, 9, 33},
     {33, 5, 5, 1},
     {.stride_h = 2, .stride_w = 2, .pad_h = 2, .pad_w = 2, .groups = 33}},
    {"depthwise_multiplier",
     {1, 6, 7, 8},
     {16, 3, 3, 1},
     {.pad_h = 1, .pad_w = 1, .groups = 8, .relu = true}},
    {"no_images", {0, 8, 8, 16}, {16, 3, 3, 16}, {.pad_h = 1, .pad_w = 1}},
    {"no_outputs", {1, 8, 8, 16}, {0, 3, 3, 16}, {.pad_h = 1, .pad_w = 1}},
    {"no_channels", {1, 6, 5, 0}, {8, 3, 3, 0}, {.pad_h = 1, .pad_w = 1}},
    {"no_rows", {1, 0, 5, 8}, {8, 3, 3, 8}, {.pad_h = 1, .pad_w = 1}},
    {"no_output_pixels", {1, 2, 2, 8}, {8, 3, 3, 8}},
};

/// Against the CPU's results in float64 on the same, rounded, operands.
class Conv2dCuda : public CudaTwin {
 protected:
  /// Some hundred terms of size about 1; bfloat16 rounds the result by up to 2^-9, float16 2^-12.
  static double tolerance(DType dtype) {
    if (dtype == DType::Float64) return 1e-13;
    if (dtype == DType::Float32) return 2e-6;
    return dtype == DType::Float16 ? 5e-4 : 4e-3;
  }

  static Tensor normal(const Shape& shape, DType dtype, uint64_t seed) {
    Philox random(seed);
    Tensor values = Tensor::empty(shape);
    fill_normal(values, 0, 1, random);
    return values.to(dtype);
  }

  static Tensor device_empty(const Shape& shape, DType dtype) {
    return Tensor::empty(shape, dtype, Device::cuda(0));
  }

  static Tensor wide(const Tensor& tensor) { return tensor.to(DType::Float64); }

  static void expect_near(const char* what, const Tensor& got, const Tensor& want, DType dtype) {
    const Tensor host = got.to(Device::cpu()).to(DType::Float64);
    double scale = 0, worst = 0;
    for (int64_t i = 0; i < want.numel(); ++i) {
      const double difference = std::abs(host.data<double>()[i] - want.data<double>()[i]);
      worst = std::isnan(difference) ? INFINITY : std::max(worst, difference);
      scale = std::max(scale, std::abs(want.data<double>()[i]));
    }
    EXPECT_LE(worst, tolerance(dtype) * scale) << what;
  }

  /// Operands begin `shift` elements behind an address fit for vectors. Parameters and their
  /// gradients are of param_dtype.
  static void check(const CudaConv& c, DType dtype, DType param_dtype, int64_t shift = 0) {
    SCOPED_TRACE(::testing::Message() << c.name << ' ' << dtype << ' ' << param_dtype);
    const Tensor input = normal(c.input, dtype, 1), weight = normal(c.weight, dtype, 2);
    const Tensor bias = normal({c.weight[0]}, param_dtype, 3);
    const Tensor residual = normal(c.output(), dtype, 4), grad = normal(c.output(), dtype, 5);
    const Tensor device_input = upload(input, shift), device_weight = upload(weight, shift);
    const Tensor device_grad = upload(grad, shift), device_bias = upload(bias, shift);
    const Tensor wide_input = wide(input), wide_weight = wide(weight), wide_bias = wide(bias);
    const Tensor wide_grad = wide(grad);

    Tensor want = Tensor::empty(c.output(), DType::Float64), got = upload(residual, shift);
    want.copy_from(residual);
    cpu::conv2d_forward(wide_input.view(), wide_weight.view(), wide_bias.view(), want.cview(),
                        want.view(), c.params);
    gpu::conv2d_forward(device_input.view(), device_weight.view(), device_bias.view(), got.cview(),
                        got.view(), c.params, stream());
    expect_near("output", got, want, dtype);

    want = Tensor::empty(c.input, DType::Float64);
    got = device_empty(c.input, dtype);
    cpu::conv2d_backward_data(wide_grad.view(), wide_weight.view(), want.view(), c.params);
    gpu::conv2d_backward_data(device_grad.view(), device_weight.view(), got.view(), c.params,
                              stream());
    expect_near("grad_input", got, want, dtype);

    want = Tensor::empty(c.weight, DType::Float64);
    got = device_empty(c.weight, param_dtype);
    Tensor want_bias = Tensor::empty({c.weight[0]}, DType::Float64);
    Tensor got_bias = device_empty({c.weight[0]}, param_dtype);
    cpu::conv2d_backward_weights(wide_input.view(), wide_grad.view(), want.view(), want_bias.view(),
                                 c.params);
    gpu::conv2d_backward_weights(device_input.view(), device_grad.view(), got.view(),
                                 got_bias.view(), c.params, stream());
    expect_near("grad_weight", got, want, param_dtype);
    expect_near("grad_bias", got_bias, want_bias, param_dtype);
  }
};

TEST_F(Conv2dCuda, AsOnTheCpu) {
  for (const CudaConv& c : kConvs) {
    check(c, DType::Float32, DType::Float32);
    check(c, DType::Float64, DType::Float64);
    check(c, DType::BFloat16, DType::BFloat16);
    check(c, DType::BFloat16, DType::Float32);
    check(c, DType::Float16, DType::Float16);
    check(c, DType::Float16, DType::Float32);
  }
}

TEST_F(Conv2dCuda, AtAddressesUnfitForVectors) {
  for (const CudaConv& c : kConvs) {
    check(c, DType::Float32, DType::Float32, 1);
    check(c, DType::BFloat16, DType::BFloat16, 3);
    check(c, DType::Float16, DType::Float16, 3);
  }
}

TEST_F(Conv2dCuda, DoesNotDependOnBlockOrSchedule) {
  for_each_setting([] {
    for (const char* name : {"pointwise_deep", "stride2", "grouped_thin", "depthwise"}) {
      for (const CudaConv& c : kConvs) {
        if (c.name != name) continue;
        check(c, DType::Float32, DType::Float32);
        check(c, DType::BFloat16, DType::Float32);
      }
    }
  });
}

TEST_F(Conv2dCuda, SameBitsOnEveryRun) {
  const CudaConv c{"", {2, 40, 41, 16}, {24, 3, 3, 16}, {.pad_h = 1, .pad_w = 1}};
  const Tensor input = upload(normal(c.input, DType::BFloat16, 1));
  const Tensor grad = upload(normal(c.output(), DType::BFloat16, 2));
  std::vector<Tensor> results;
  for_each_setting([&] {
    Tensor grad_weight = device_empty(c.weight, DType::Float32);
    gpu::conv2d_backward_weights(input.view(), grad.view(), grad_weight.view(), {}, c.params,
                                 stream());
    results.push_back(grad_weight.to(Device::cpu()));
    expect_same_bits(grad_weight, results[0]);
  });
}

TEST_F(Conv2dCuda, PaddingIsNotMultiplied) {
  // A corner of the map meets only part of the window.
  const Tensor input = Tensor::full({1, 3, 3, 8}, 1, DType::BFloat16, Device::cuda(0));
  const Tensor weight = Tensor::full({8, 3, 3, 8}, 1, DType::BFloat16, Device::cuda(0));
  Tensor output = device_empty({1, 3, 3, 8}, DType::BFloat16);
  gpu::conv2d_forward(input.view(), weight.view(), {}, {}, output.view(), {.pad_h = 1, .pad_w = 1},
                      stream());
  const Tensor host = output.to(Device::cpu()).to(DType::Float32);
  const float want[] = {32, 48, 32, 48, 72, 48, 32, 48, 32};
  for (int64_t i = 0; i < host.numel(); ++i) EXPECT_EQ(host.data<float>()[i], want[i / 8]);
}

TEST_F(Conv2dCuda, ReluKeepsNan) {
  const Tensor input = Tensor::full({1, 1, 1, 8}, NAN, DType::Float32, Device::cuda(0));
  const Tensor weight = Tensor::full({8, 1, 1, 8}, 1, DType::Float32, Device::cuda(0));
  Tensor output = device_empty({1, 1, 1, 8}, DType::Float32);
  gpu::conv2d_forward(input.view(), weight.view(), {}, {}, output.view(), {.relu = true}, stream());
  const Tensor host = output.to(Device::cpu());
  for (int64_t i = 0; i < 8; ++i) EXPECT_TRUE(std::isnan(host.data<float>()[i]));
}

TEST_F(Conv2dCuda, RefusesWhatDoesNotFit) {
  const Tensor input = Tensor::zeros({1, 8, 8, 16}, DType::Float32, Device::cuda(0));
  const Tensor weight = Tensor::zeros({32, 3, 3, 16}, DType::Float32, Device::cuda(0));
  Tensor output = device_empty({1, 8, 8, 32}, DType::Float32);
  EXPECT_THROW(
      gpu::conv2d_forward(input.view(), weight.view(), {}, {}, output.view(), {}, stream()), Error);
  const Tensor bias = Tensor::zeros({31}, DType::Float32, Device::cuda(0));
  EXPECT_THROW(gpu::conv2d_forward(input.view(), weight.view(), bias.view(), {}, output.view(),
                                   {.pad_h = 1, .pad_w = 1}, stream()),
               Error);
  gpu::conv2d_forget(3);
}

}  // namespace
}  // namespace kestrel::test
