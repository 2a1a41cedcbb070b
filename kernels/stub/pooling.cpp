#include <kestrel/kernels/pooling.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void max_pool2d_forward(ConstView, View, View, const Pool2dParams&, Stream) {
  no_cuda("max_pool2d");
}
void max_pool2d_backward(ConstView, ConstView, View, const Pool2dParams&, Stream) {
  no_cuda("max_pool2d_backward");
}
void avg_pool2d_forward(ConstView, View, const Pool2dParams&, Stream) {
  no_cuda("avg_pool2d");
}
void avg_pool2d_backward(ConstView, View, const Pool2dParams&, Stream) {
  no_cuda("avg_pool2d_backward");
}

}  // namespace kestrel::gpu
