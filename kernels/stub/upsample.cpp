#include <kestrel/kernels/stub/no_cuda.h>
#include <kestrel/kernels/upsample.h>

namespace kestrel::gpu {

void upsample_nearest_forward(ConstView, ConstView, View, Stream) {
  no_cuda("upsample_nearest");
}
void upsample_nearest_backward(ConstView, View, Stream) {
  no_cuda("upsample_nearest_backward");
}
void upsample_bilinear_forward(ConstView, bool, View, Stream) {
  no_cuda("upsample_bilinear");
}
void upsample_bilinear_backward(ConstView, bool, View, Stream) {
  no_cuda("upsample_bilinear_backward");
}

}  // namespace kestrel::gpu
