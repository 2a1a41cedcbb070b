#include <kestrel/kernels/channels.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void add_channels(ConstView, ConstView, View, Stream) {
  no_cuda("add_channels");
}
void sum_channels(ConstView, View, Stream) {
  no_cuda("sum_channels");
}
void fold_batch_norm(ConstView, ConstView, ConstView, ConstView, ConstView, double, View, View,
                     Stream) {
  no_cuda("fold_batch_norm");
}
void fold_batch_norm_backward(ConstView, ConstView, ConstView, ConstView, ConstView, ConstView,
                              double, View, View, View, Stream) {
  no_cuda("fold_batch_norm_backward");
}

}  // namespace kestrel::gpu
