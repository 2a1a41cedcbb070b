#include <kestrel/kernels/binary.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void binary_forward(BinaryOp, ConstView, ConstView, View, Stream) {
  no_cuda("binary");
}
void binary_backward(BinaryOp, ConstView, ConstView, ConstView, View, View, Stream) {
  no_cuda("binary_backward");
}
void compare(CompareOp, ConstView, ConstView, View, Stream) {
  no_cuda("compare");
}
void where(ConstView, ConstView, ConstView, View, Stream) {
  no_cuda("where");
}

}  // namespace kestrel::gpu
