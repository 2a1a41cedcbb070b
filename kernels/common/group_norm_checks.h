#pragma once

#include <kestrel/kernels/common/channel_map.h>
#include <kestrel/kernels/group_norm.h>

/// What group_norm.h demands of its operands, checked for every device.
namespace kestrel {

inline ChannelMap group_norm_map(ConstView x, const GroupNormParams& params) {
  KESTREL_CHECK(x.shape.dims() >= 2, "[group_norm] x must be (N, ..., C), got ", x.shape);
  KESTREL_CHECK(params.groups > 0 && x.size(-1) % params.groups == 0, "[group_norm] ", x.size(-1),
                " channels cannot be split into ", params.groups, " groups");
  const int64_t per_row = x.size(0) * x.size(-1);
  return {x.size(0), per_row ? x.numel() / per_row : 0, x.size(-1)};
}

/// A value per channel, which may be absent.
inline void check_group_norm_values(const char* name, ConstView x, ConstView values) {
  if (!values) return;
  const DType dtype = x.dtype == DType::Float64 ? DType::Float64 : DType::Float32;
  KESTREL_CHECK(values.dtype == dtype && values.numel() == x.size(-1), "[group_norm] ", name,
                " must be ", dtype, " (", x.size(-1), "), got ", values.dtype, values.shape);
}

inline ChannelMap check_group_norm_forward(ConstView x, ConstView weight, ConstView bias,
                                           const GroupNormParams& params) {
  const ChannelMap map = group_norm_map(x, params);
  check_group_norm_values("weight", x, weight);
  check_group_norm_values("bias", x, bias);
  return map;
}

inline ChannelMap check_group_norm_backward(ConstView x, ConstView weight, ConstView grad_weight,
                                            ConstView grad_bias, const GroupNormParams& params) {
  const ChannelMap map = group_norm_map(x, params);
  check_group_norm_values("weight", x, weight);
  check_group_norm_values("grad_weight", x, grad_weight);
  check_group_norm_values("grad_bias", x, grad_bias);
  return map;
}

}  // namespace kestrel
