#pragma once

#include <kestrel/kernels/conv2d.h>

/// What conv2d.h demands of its operands, checked for every device.
namespace kestrel {

/// The sizes of one convolution, checked.
struct Conv2dGeometry {
  int64_t batch, height, width, channels;        // input
  int64_t outputs, kernel_h, kernel_w, group_c;  // weight
  int64_t out_h, out_w;                          // output
  int64_t groups, group_o;
  int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;

  bool operator==(const Conv2dGeometry&) const = default;
};

inline void check_conv2d_dtypes(const char* op, DType a, DType b, DType c) {
  KESTREL_CHECK(a == b && a == c, "[", op, "] operands must share one dtype, got ", a, ", ", b,
                " and ", c);
  KESTREL_CHECK(is_floating(a), "[", op, "] computes in floating point, got ", a);
}

/// Float32 may stand beside data of two bytes.
inline void check_conv2d_dtype_beside(const char* op, const char* name, DType dtype, DType data) {
  KESTREL_CHECK(dtype == data || (is_half(data) && dtype == DType::Float32), "[", op, "] ", name,
                " must be ", data, ", got ", dtype);
}

inline int64_t conv2d_output_side(int64_t in, int64_t kernel, int64_t stride, int64_t pad,
                                  int64_t dilation) {
  const int64_t span = in + 2 * pad - dilation * (kernel - 1) - 1;
  return span < 0 ? 0 : span / stride + 1;
}

/// Checks the shapes of the three operands against each other. Throws Error, naming `op`.
inline Conv2dGeometry conv2d_geometry(const char* op, const Shape& input, const Shape& weight,
                                      const Shape& output, const Conv2dParams& p) {
  KESTREL_CHECK(input.dims() == 4, "[", op, "] input must be (N, H, W, C), got ", input);
  KESTREL_CHECK(weight.dims() == 4, "[", op, "] weight must be (out, kh, kw, in / groups), got ",
                weight);
  KESTREL_CHECK(p.groups >= 1 && p.stride_h >= 1 && p.stride_w >= 1 && p.dilation_h >= 1 &&
                    p.dilation_w >= 1 && p.pad_h >= 0 && p.pad_w >= 0,
                "[", op,
                "] groups, strides and dilations must be at least 1 and padding at least "
                "0, got groups ",
                p.groups, ", stride ", p.stride_h, "x", p.stride_w, ", dilation ", p.dilation_h,
                "x", p.dilation_w, ", padding ", p.pad_h, "x", p.pad_w);
  KESTREL_CHECK(weight[1] >= 1 && weight[2] >= 1, "[", op, "] kernel must not be empty, got ",
                weight);
  KESTREL_CHECK(input[3] == weight[3] * p.groups, "[", op, "] input ", input, " has ", input[3],
                " channels, weight ", weight, " with ", p.groups, " groups wants ",
                weight[3] * p.groups);
  KESTREL_CHECK(weight[0] % p.groups == 0, "[", op, "] ", weight[0],
                " outputs cannot be split into ", p.groups, " groups");
  const int64_t out_h = conv2d_output_side(input[1], weight[1], p.stride_h, p.pad_h, p.dilation_h);
  const int64_t out_w = conv2d_output_side(input[2], weight[2], p.stride_w, p.pad_w, p.dilation_w);
  const Shape expected{input[0], out_h, out_w, weight[0]};
  KESTREL_CHECK(output == expected, "[", op, "] output of input ", input, " and weight ", weight,
                " must be ", expected, ", got ", output);
  return {.batch = input[0],
          .height = input[1],
          .width = input[2],
          .channels = input[3],
          .outputs = weight[0],
          .kernel_h = weight[1],
          .kernel_w = weight[2],
          .group_c = weight[3],
          .out_h = out_h,
          .out_w = out_w,
          .groups = p.groups,
          .group_o = weight[0] / p.groups,
          .stride_h = p.stride_h,
          .stride_w = p.stride_w,
          .pad_h = p.pad_h,
          .pad_w = p.pad_w,
          .dilation_h = p.dilation_h,
          .dilation_w = p.dilation_w};
}

inline Conv2dGeometry check_conv2d_forward(ConstView input, ConstView weight, ConstView bias,
                                           ConstView residual, ConstView output,
                                           const Conv2dParams& params) {
  const Conv2dGeometry g =
      conv2d_geometry("conv2d", input.shape, weight.shape, output.shape, params);
  check_conv2d_dtypes("conv2d", input.dtype, weight.dtype, output.dtype);
  if (bias) {
    check_conv2d_dtype_beside("conv2d", "bias", bias.dtype, input.dtype);
    KESTREL_CHECK(bias.shape == Shape{g.outputs}, "[conv2d] bias must be (", g.outputs, "), got ",
                  bias.shape);
  }
  if (residual) {
    KESTREL_CHECK(residual.shape == output.shape && residual.dtype == output.dtype,
                  "[conv2d] residual must be like the output, ", output.dtype, " ", output.shape,
                  ", got ", residual.dtype, " ", residual.shape);
  }
  return g;
}

inline Conv2dGeometry check_conv2d_backward_data(ConstView grad_output, ConstView weight,
                                                 ConstView grad_input, const Conv2dParams& params) {
  const Conv2dGeometry g = conv2d_geometry("conv2d_backward_data", grad_input.shape, weight.shape,
                                           grad_output.shape, params);
  check_conv2d_dtypes("conv2d_backward_data", grad_output.dtype, weight.dtype, grad_input.dtype);
  return g;
}

inline Conv2dGeometry check_conv2d_backward_weights(ConstView input, ConstView grad_output,
                                                    ConstView grad_weight, ConstView grad_bias,
                                                    const Conv2dParams& params) {
  const Conv2dGeometry g = conv2d_geometry("conv2d_backward_weights", input.shape,
                                           grad_weight.shape, grad_output.shape, params);
  check_conv2d_dtypes("conv2d_backward_weights", input.dtype, grad_output.dtype, input.dtype);
  check_conv2d_dtype_beside("conv2d_backward_weights", "grad_weight", grad_weight.dtype,
                            input.dtype);
  if (grad_bias) {
    check_conv2d_dtype_beside("conv2d_backward_weights", "grad_bias", grad_bias.dtype, input.dtype);
    KESTREL_CHECK(grad_bias.shape == Shape{g.outputs},
                  "[conv2d_backward_weights] grad_bias must be (", g.outputs, "), got ",
                  grad_bias.shape);
  }
  return g;
}

}  // namespace kestrel
