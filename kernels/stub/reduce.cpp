#include <kestrel/kernels/reduce.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void sum_axis(ConstView, const Axis&, double, View, Stream) {
  no_cuda("sum");
}
void extreme_axis(ConstView, const Axis&, bool, View, View, Stream) {
  no_cuda("extreme");
}
void extreme_axis_backward(ConstView, ConstView, const Axis&, View, Stream) {
  no_cuda("extreme_backward");
}
void log_sum_exp_axis(ConstView, const Axis&, View, Stream) {
  no_cuda("log_sum_exp");
}
void log_sum_exp_axis_backward(ConstView, ConstView, ConstView, const Axis&, View, Stream) {
  no_cuda("log_sum_exp_backward");
}
void softmax_axis(ConstView, const Axis&, bool, View, Stream) {
  no_cuda("softmax");
}
void softmax_axis_backward(ConstView, ConstView, const Axis&, bool, View, Stream) {
  no_cuda("softmax_backward");
}
void cumulative_sum_axis(ConstView, const Axis&, bool, View, Stream) {
  no_cuda("cumulative_sum");
}

}  // namespace kestrel::gpu
