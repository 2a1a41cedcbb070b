#include <kestrel/kernels/deform_conv2d.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void deform_conv2d_forward(ConstView, ConstView, ConstView, ConstView, ConstView, View,
                           const DeformConv2dParams&, Stream) {
  no_cuda("deform_conv2d");
}
void deform_conv2d_backward(ConstView, ConstView, ConstView, ConstView, ConstView,
                            const DeformConv2dGradients&, const DeformConv2dParams&, Stream) {
  no_cuda("deform_conv2d_backward");
}

}  // namespace kestrel::gpu
