#include <kestrel/kernels/conv2d.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void conv2d_forward(ConstView, ConstView, ConstView, ConstView, View, const Conv2dParams&, Stream) {
  no_cuda("conv2d");
}
void conv2d_backward_data(ConstView, ConstView, View, const Conv2dParams&, Stream) {
  no_cuda("conv2d");
}
void conv2d_backward_weights(ConstView, ConstView, View, View, const Conv2dParams&, Stream) {
  no_cuda("conv2d");
}
void conv2d_forget(uint64_t) {
  no_cuda("conv2d");
}

}  // namespace kestrel::gpu
