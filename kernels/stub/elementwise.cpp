#include <kestrel/kernels/elementwise.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void add(ConstView, ConstView, View, Stream) {
  no_cuda("add");
}
void subtract(ConstView, ConstView, View, Stream) {
  no_cuda("subtract");
}
void multiply(ConstView, ConstView, View, Stream) {
  no_cuda("multiply");
}
void affine(ConstView, double, double, View, Stream) {
  no_cuda("affine");
}
void scale(ConstView, ConstView, View, Stream) {
  no_cuda("scale");
}
void relu_forward(ConstView, View, Stream) {
  no_cuda("relu");
}
void relu_backward(ConstView, ConstView, View, Stream) {
  no_cuda("relu_backward");
}
void sigmoid_forward(ConstView, View, Stream) {
  no_cuda("sigmoid");
}
void sigmoid_backward(ConstView, ConstView, View, Stream) {
  no_cuda("sigmoid_backward");
}
void sum(ConstView, View, Stream) {
  no_cuda("sum");
}
void broadcast(ConstView, double, View, Stream) {
  no_cuda("broadcast");
}

}  // namespace kestrel::gpu
