#include <kestrel/kernels/batch_norm.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void batch_norm_statistics(ConstView, View, View, Stream) {
  no_cuda("batch_norm");
}
void batch_norm_update(ConstView, ConstView, int64_t, double, View, View, Stream) {
  no_cuda("batch_norm");
}
void batch_norm_forward(ConstView, ConstView, ConstView, ConstView, ConstView, ConstView, View,
                        const BatchNormParams&, Stream) {
  no_cuda("batch_norm");
}
void batch_norm_backward(ConstView, ConstView, ConstView, ConstView, ConstView, ConstView, View,
                         View, View, View, const BatchNormParams&, Stream) {
  no_cuda("batch_norm_backward");
}

}  // namespace kestrel::gpu
