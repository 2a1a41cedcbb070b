#include <kestrel/kernels/strided_copy.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void strided_copy(ConstView, View, const Walk&, Stream) {
  no_cuda("strided_copy");
}

}  // namespace kestrel::gpu
