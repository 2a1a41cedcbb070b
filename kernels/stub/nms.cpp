#include <kestrel/kernels/nms.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

int64_t nms(ConstView, ConstView, ConstView, const NmsParams&, View, Stream) {
  no_cuda("nms");
}

}  // namespace kestrel::gpu
