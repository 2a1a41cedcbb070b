#pragma once

#include <kestrel/kernels/cpu/conv2d_geometry.h>

namespace kestrel::cpu {

/// Whether a convolution runs as Winograd F(4x4, 3x3); see the rule in conv2d_winograd.cpp.
bool winograd_pays(const Conv2dGeometry& g, bool weights_are_kept);

/// 3x3, stride 1, dilation 1, one group; float32 and bfloat16.
void conv2d_forward_winograd(const Conv2dGeometry& g, ConstView input, ConstView weight,
                             ConstView bias, ConstView residual, View output,
                             const Conv2dParams& params);
void conv2d_backward_data_winograd(const Conv2dGeometry& g, ConstView grad_output, ConstView weight,
                                   View grad_input, uint64_t weight_key);
void conv2d_backward_weights_winograd(const Conv2dGeometry& g, ConstView input,
                                      ConstView grad_output, View grad_weight);

}  // namespace kestrel::cpu
