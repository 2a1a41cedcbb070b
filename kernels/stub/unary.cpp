#include <kestrel/kernels/stub/no_cuda.h>
#include <kestrel/kernels/unary.h>

namespace kestrel::gpu {

void unary_forward(ConstView, View, const UnaryParams&, Stream) {
  no_cuda("unary");
}
void unary_backward(ConstView, ConstView, View, const UnaryParams&, Stream) {
  no_cuda("unary_backward");
}

}  // namespace kestrel::gpu
