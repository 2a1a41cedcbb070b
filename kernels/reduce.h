#pragma once

#include <kestrel/kernels/common/axis.h>
#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Reductions along one dimension of a tensor that is seen as (outer, length, inner); results have
/// shape (outer, inner) in any form. float32, float64 or bfloat16 (computed in float). The order of
/// additions depends on the sizes alone.
namespace kestrel {
namespace cpu {

/// out = scale * the sum, formed in double. out: of x's dtype, or float32 where x is bfloat16.
void sum_axis(ConstView x, const Axis& axis, double scale, View out);

/// The largest value, or the smallest, and the index (int64) of the first such one; NaN beats
/// everything. Either output may be absent. The length must not be zero.
void extreme_axis(ConstView x, const Axis& axis, bool largest, View values, View indices);
/// grad_x is `grad` where extreme_axis() found the index, else zero.
void extreme_axis_backward(ConstView indices, ConstView grad, const Axis& axis, View grad_x);

/// log(sum(exp(x))); minus infinity where the length is zero.
void log_sum_exp_axis(ConstView x, const Axis& axis, View out);
/// grad_x = grad * exp(x - out).
void log_sum_exp_axis_backward(ConstView x, ConstView out, ConstView grad, const Axis& axis,
                               View grad_x);

/// y = exp(x) / sum(exp(x)), or, with `log`, its logarithm.
void softmax_axis(ConstView x, const Axis& axis, bool log, View y);
void softmax_axis_backward(ConstView y, ConstView grad_y, const Axis& axis, bool log, View grad_x);

/// y[i] = x[0] + ... + x[i]; reversed: x[i] + ... + x[length - 1].
void cumulative_sum_axis(ConstView x, const Axis& axis, bool reversed, View y);

}  // namespace cpu
namespace gpu {

void sum_axis(ConstView x, const Axis& axis, double scale, View out, Stream stream);
void extreme_axis(ConstView x, const Axis& axis, bool largest, View values, View indices,
                  Stream stream);
void extreme_axis_backward(ConstView indices, ConstView grad, const Axis& axis, View grad_x,
                           Stream stream);
void log_sum_exp_axis(ConstView x, const Axis& axis, View out, Stream stream);
void log_sum_exp_axis_backward(ConstView x, ConstView out, ConstView grad, const Axis& axis,
                               View grad_x, Stream stream);
void softmax_axis(ConstView x, const Axis& axis, bool log, View y, Stream stream);
void softmax_axis_backward(ConstView y, ConstView grad_y, const Axis& axis, bool log, View grad_x,
                           Stream stream);
void cumulative_sum_axis(ConstView x, const Axis& axis, bool reversed, View y, Stream stream);

}  // namespace gpu
}  // namespace kestrel
