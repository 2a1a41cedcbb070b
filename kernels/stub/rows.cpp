#include <kestrel/kernels/rows.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void gather_rows(ConstView, ConstView, View, Stream) {
  no_cuda("gather_rows");
}
void scatter_add_rows(ConstView, ConstView, View, Stream) {
  no_cuda("scatter_add_rows");
}

}  // namespace kestrel::gpu
