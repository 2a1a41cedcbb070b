#pragma once

#include <kestrel/kernels/common/channel_map.h>
#include <kestrel/kernels/view.h>

/// What batch_norm.h demands of its operands, checked for every device.
namespace kestrel {

inline ChannelMap batch_norm_map(ConstView x) {
  KESTREL_CHECK(x.shape.dims() >= 1, "[batch_norm] x must be (..., C), got ", x.shape);
  const int64_t channels = x.size(-1);
  return {1, channels ? x.numel() / channels : 0, channels};
}

/// A value per channel, which may be absent.
inline void check_batch_norm_values(const char* name, ConstView x, ConstView values) {
  if (!values) return;
  const DType dtype = x.dtype == DType::Float64 ? DType::Float64 : DType::Float32;
  KESTREL_CHECK(values.dtype == dtype && values.numel() == x.size(-1), "[batch_norm] ", name,
                " must be ", dtype, " (", x.size(-1), "), got ", values.dtype, values.shape);
}

/// Another map, which may be absent.
inline void check_batch_norm_map(const char* name, ConstView x, ConstView other) {
  KESTREL_CHECK(!other || (other.dtype == x.dtype && other.shape == x.shape), "[batch_norm] ", name,
                " must be ", x.dtype, x.shape, ", got ", other.dtype, other.shape);
}

inline ChannelMap check_batch_norm_statistics(ConstView x, ConstView mean, ConstView variance) {
  const ChannelMap map = batch_norm_map(x);
  check_batch_norm_values("mean", x, mean);
  check_batch_norm_values("variance", x, variance);
  return map;
}

inline ChannelMap check_batch_norm_forward(ConstView x, ConstView mean, ConstView variance,
                                           ConstView weight, ConstView bias, ConstView residual,
                                           ConstView y) {
  const ChannelMap map = check_batch_norm_statistics(x, mean, variance);
  check_batch_norm_values("weight", x, weight);
  check_batch_norm_values("bias", x, bias);
  check_batch_norm_map("residual", x, residual);
  check_batch_norm_map("y", x, y);
  return map;
}

inline ChannelMap check_batch_norm_backward(ConstView x, ConstView grad_y, ConstView grad_x,
                                            ConstView grad_residual, ConstView grad_weight,
                                            ConstView grad_bias) {
  const ChannelMap map = batch_norm_map(x);
  check_batch_norm_map("grad_y", x, grad_y);
  check_batch_norm_map("grad_x", x, grad_x);
  check_batch_norm_map("grad_residual", x, grad_residual);
  check_batch_norm_values("grad_weight", x, grad_weight);
  check_batch_norm_values("grad_bias", x, grad_bias);
  return map;
}

}  // namespace kestrel
