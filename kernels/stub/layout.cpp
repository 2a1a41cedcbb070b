#include <kestrel/kernels/layout.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void nchw_to_nhwc(ConstView, View, Stream) {
  no_cuda("nchw_to_nhwc");
}
void nhwc_to_nchw(ConstView, View, Stream) {
  no_cuda("nhwc_to_nchw");
}

}  // namespace kestrel::gpu
