#include <kestrel/kernels/cross_entropy.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void softmax_cross_entropy_forward(ConstView, ConstView, ConstView, ConstView, int64_t, View, View,
                                   Stream) {
  no_cuda("cross_entropy");
}
void softmax_cross_entropy_backward(ConstView, ConstView, ConstView, ConstView, ConstView,
                                    ConstView, double, int64_t, View, Stream) {
  no_cuda("cross_entropy_backward");
}
void binary_cross_entropy_forward(ConstView, ConstView, ConstView, ConstView, int64_t, View,
                                  Stream) {
  no_cuda("binary_cross_entropy");
}
void binary_cross_entropy_backward(ConstView, ConstView, ConstView, ConstView, ConstView, double,
                                   int64_t, View, Stream) {
  no_cuda("binary_cross_entropy_backward");
}

}  // namespace kestrel::gpu
