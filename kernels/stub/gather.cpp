#include <kestrel/kernels/gather.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void gather_axis(ConstView, ConstView, const Axis&, View, Stream) {
  no_cuda("gather");
}
void scatter_add_axis(ConstView, ConstView, const Axis&, View, Stream) {
  no_cuda("scatter_add");
}

}  // namespace kestrel::gpu
