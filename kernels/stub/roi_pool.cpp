#include <kestrel/kernels/roi_pool.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void roi_pool_forward(ConstView, ConstView, double, View, View, Stream) {
  no_cuda("roi_pool");
}
void roi_pool_backward(ConstView, ConstView, ConstView, double, View, Stream) {
  no_cuda("roi_pool_backward");
}

}  // namespace kestrel::gpu
