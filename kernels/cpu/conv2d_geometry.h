#pragma once

#include <kestrel/kernels/conv2d.h>

namespace kestrel::cpu {

/// The sizes of one convolution, checked.
struct Conv2dGeometry {
  int64_t batch, height, width, channels;        // input
  int64_t outputs, kernel_h, kernel_w, group_c;  // weight
  int64_t out_h, out_w;                          // output
  int64_t groups, group_o;
  int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
};

/// Checks the shapes of the three operands against each other. Throws Error, naming `op`.
Conv2dGeometry conv2d_geometry(const char* op, const Shape& input, const Shape& weight,
                               const Shape& output, const Conv2dParams& params);

/// Any dtype, any geometry, plain loops: what float64 runs on, and grouped convolutions.
void conv2d_forward_generic(const Conv2dGeometry& g, ConstView input, ConstView weight,
                            ConstView bias, ConstView residual, View output, bool relu);
void conv2d_backward_data_generic(const Conv2dGeometry& g, ConstView grad_output, ConstView weight,
                                  View grad_input);
void conv2d_backward_weights_generic(const Conv2dGeometry& g, ConstView input,
                                     ConstView grad_output, View grad_weight);
/// grad_bias[o] = the sum of grad_output over all pixels.
void conv2d_backward_bias(ConstView grad_output, View grad_bias);

}  // namespace kestrel::cpu
