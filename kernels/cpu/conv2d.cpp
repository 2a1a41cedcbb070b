#include <kestrel/kernels/conv2d.h>

#include <kestrel/kernels/cpu/conv2d_gemm.h>
#include <kestrel/kernels/cpu/conv2d_geometry.h>
#include <kestrel/kernels/cpu/conv2d_onednn.h>
#include <kestrel/kernels/cpu/conv2d_winograd.h>
#include <kestrel/kernels/cpu/weight_cache.h>

namespace kestrel::cpu {
namespace {

/// float64 has no kernels of its own, and groups of few channels would leave most lanes of a matrix
/// product idle.
bool runs_as_gemm(const Conv2dGeometry& g, DType dtype) {
  return dtype != DType::Float64 && (g.groups == 1 || (g.group_c >= 16 && g.group_o >= 16));
}

}  // namespace

void conv2d_forward(ConstView input, ConstView weight, ConstView bias, ConstView residual,
                    View output, const Conv2dParams& params) {
  const Conv2dGeometry g = check_conv2d_forward(input, weight, bias, residual, output, params);
  check_cpu_product("conv2d", input.dtype);
  if (output.numel() == 0) return;
  if (input.dtype == DType::BFloat16 &&
      conv2d_forward_onednn(g, input, weight, bias, residual, output, params.relu,
                            params.weight_key)) {
    return;
  }
  if (!runs_as_gemm(g, input.dtype)) {
    conv2d_forward_generic(g, input, weight, bias, residual, output, params.relu);
  } else if (winograd_pays(g)) {
    conv2d_forward_winograd(g, input, weight, bias, residual, output, params.relu,
                            params.weight_key);
  } else {
    conv2d_forward_gemm(g, input, weight, bias, residual, output, params.relu, params.weight_key);
  }
}

void conv2d_backward_data(ConstView grad_output, ConstView weight, View grad_input,
                          const Conv2dParams& params) {
  const Conv2dGeometry g = check_conv2d_backward_data(grad_output, weight, grad_input, params);
  check_cpu_product("conv2d_backward_data", grad_output.dtype);
  if (grad_input.numel() == 0) return;
  if (grad_output.dtype == DType::BFloat16 &&
      conv2d_backward_data_onednn(g, grad_output, weight, grad_input, params.weight_key)) {
    return;
  }
  if (!runs_as_gemm(g, grad_output.dtype)) {
    conv2d_backward_data_generic(g, grad_output, weight, grad_input);
  } else if (winograd_pays(g)) {
    conv2d_backward_data_winograd(g, grad_output, weight, grad_input, params.weight_key);
  } else {
    conv2d_backward_data_gemm(g, grad_output, weight, grad_input, params.weight_key);
  }
}

void conv2d_backward_weights(ConstView input, ConstView grad_output, View grad_weight,
                             View grad_bias, const Conv2dParams& params) {
  const Conv2dGeometry g =
      check_conv2d_backward_weights(input, grad_output, grad_weight, grad_bias, params);
  check_cpu_product("conv2d_backward_weights", input.dtype);
  if (grad_bias && g.outputs > 0) conv2d_backward_bias(grad_output, grad_bias);
  if (grad_weight.numel() == 0) return;
  if (input.dtype == DType::BFloat16 &&
      conv2d_backward_weights_onednn(g, input, grad_output, grad_weight)) {
    return;
  }
  if (!runs_as_gemm(g, input.dtype)) {
    conv2d_backward_weights_generic(g, input, grad_output, grad_weight);
  } else if (winograd_pays(g)) {
    conv2d_backward_weights_winograd(g, input, grad_output, grad_weight);
  } else {
    conv2d_backward_weights_gemm(g, input, grad_output, grad_weight);
  }
}

void conv2d_forget(uint64_t weight_key) {
  forget_weights(weight_key);
}

}  // namespace kestrel::cpu
