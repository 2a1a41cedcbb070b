#pragma once

#include <kestrel/kernels/common/conv2d_checks.h>

namespace kestrel::cpu {

/// Any dtype, any geometry, plain loops: what float64 runs on.
void conv2d_forward_generic(const Conv2dGeometry& g, ConstView input, ConstView weight,
                            ConstView bias, ConstView residual, View output, bool relu);
void conv2d_backward_data_generic(const Conv2dGeometry& g, ConstView grad_output, ConstView weight,
                                  View grad_input);
void conv2d_backward_weights_generic(const Conv2dGeometry& g, ConstView input,
                                     ConstView grad_output, View grad_weight);
/// grad_bias[o] = the sum of grad_output over all pixels.
void conv2d_backward_bias(ConstView grad_output, View grad_bias);

}  // namespace kestrel::cpu
