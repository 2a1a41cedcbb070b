#include <kestrel/kernels/matmul.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void matmul(ConstView, ConstView, View, const MatmulParams&, Stream) {
  no_cuda("matmul");
}

void batched_matmul(ConstView, ConstView, View, const MatmulParams&, Stream) {
  no_cuda("batched_matmul");
}

}  // namespace kestrel::gpu
