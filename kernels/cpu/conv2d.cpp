#include <kestrel/kernels/conv2d.h>

#include <kestrel/kernels/cpu/conv2d_gemm.h>
#include <kestrel/kernels/cpu/conv2d_geometry.h>
#include <kestrel/kernels/cpu/conv2d_groups.h>
#include <kestrel/kernels/cpu/conv2d_onednn.h>
#include <kestrel/kernels/cpu/conv2d_winograd.h>
#include <kestrel/kernels/cpu/weight_cache.h>

namespace kestrel::cpu {
namespace {

/// float64 has no kernels of its own.
bool has_kernels(DType dtype) {
  return dtype != DType::Float64;
}

bool uses_winograd(const Conv2dGeometry& g, uint64_t weight_key) {
  return conv2d_path() != Conv2dPath::Direct && winograd_pays(g, weight_key != 0);
}

}  // namespace

void conv2d_forward(ConstView input, ConstView weight, ConstView bias, ConstView residual,
                    View output, const Conv2dParams& params) {
  const Conv2dGeometry g = check_conv2d_forward(input, weight, bias, residual, output, params);
  check_cpu_product("conv2d", input.dtype);
  KESTREL_CHECK(!params.weight_scale || (input.dtype == DType::Float32 && !is_depthwise(g)),
                "[conv2d] weight_scale is for float32 and not for depthwise convolutions");
  if (output.numel() == 0) return;
  if (input.dtype == DType::BFloat16 &&
      conv2d_forward_onednn(g, input, weight, bias, residual, output, params.relu,
                            params.weight_key)) {
    return;
  }
  if (is_depthwise(g)) {
    conv2d_forward_depthwise(g, input, weight, bias, residual, output, params.relu);
    return;
  }
  if (!has_kernels(input.dtype)) {
    conv2d_forward_generic(g, input, weight, bias, residual, output, params.relu);
    return;
  }
  if (has_narrow_groups(g)) {
    conv2d_forward_grouped(g, input, weight, bias, residual, output, params);
    return;
  }
  JoinedGroups groups(g);
  const Conv2dGeometry& joined = groups.geometry();
  const ConstView weights = groups.join(weight);
  if (uses_winograd(joined, params.weight_key)) {
    conv2d_forward_winograd(joined, input, weights, bias, residual, output, params);
  } else {
    conv2d_forward_gemm(joined, input, weights, bias, residual, output, params);
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
  if (is_depthwise(g)) {
    conv2d_backward_data_depthwise(g, grad_output, weight, grad_input);
    return;
  }
  if (!has_kernels(grad_output.dtype)) {
    conv2d_backward_data_generic(g, grad_output, weight, grad_input);
    return;
  }
  if (has_narrow_groups_backward(g)) {
    conv2d_backward_data_grouped(g, grad_output, weight, grad_input, params.weight_key);
    return;
  }
  JoinedGroups groups(g);
  const Conv2dGeometry& joined = groups.geometry();
  const ConstView weights = groups.join(weight);
  if (uses_winograd(joined, params.weight_key)) {
    conv2d_backward_data_winograd(joined, grad_output, weights, grad_input, params.weight_key);
  } else {
    conv2d_backward_data_gemm(joined, grad_output, weights, grad_input, params.weight_key);
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
  if (is_depthwise(g)) {
    conv2d_backward_weights_depthwise(g, input, grad_output, grad_weight);
    return;
  }
  if (!has_kernels(input.dtype)) {
    conv2d_backward_weights_generic(g, input, grad_output, grad_weight);
    return;
  }
  JoinedGroups groups(g);
  const Conv2dGeometry& joined = groups.geometry();
  const View gradient = groups.factor() == 1 ? grad_weight : groups.room(grad_weight.dtype);
  if (uses_winograd(joined, 0)) {
    conv2d_backward_weights_winograd(joined, input, grad_output, gradient);
  } else {
    conv2d_backward_weights_gemm(joined, input, grad_output, gradient);
  }
  if (groups.factor() > 1) groups.take(grad_weight);
}

void conv2d_forget(uint64_t weight_key) {
  forget_weights(weight_key);
}

}  // namespace kestrel::cpu
