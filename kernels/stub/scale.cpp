#include <kestrel/kernels/scale.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void scale(ConstView, ConstView, View, Stream) {
  no_cuda("scale");
}

}  // namespace kestrel::gpu
