#pragma once

#include <kestrel/kernels/common/conv2d_checks.h>

namespace kestrel::cpu {

/// Element i of a vector that may be absent and may be float32 beside bfloat16 data.
template <class A>
A optional_at(const ConstView& view, int64_t i) {
  if (!view) return A{0};
  if (view.dtype == DType::Float32) return static_cast<A>(view.as<float>()[i]);
  if (view.dtype == DType::Float64) return static_cast<A>(view.as<double>()[i]);
  return static_cast<A>(static_cast<float>(view.as<bfloat16>()[i]));
}

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
