#include <kestrel/kernels/copy.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void convert(ConstView, View, Stream) {
  no_cuda("convert");
}
void fill(View, double, Stream) {
  no_cuda("fill");
}

}  // namespace kestrel::gpu
