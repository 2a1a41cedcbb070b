#include <kestrel/kernels/box_coder.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void box_encode(ConstView, ConstView, const DeltaParams&, View, Stream) {
  no_cuda("box_encode");
}
void box_decode(ConstView, ConstView, const DeltaParams&, ClipSize, View, Stream) {
  no_cuda("box_decode");
}
void box_decode_backward(ConstView, ConstView, ConstView, const DeltaParams&, ClipSize, View,
                         Stream) {
  no_cuda("box_decode_backward");
}

}  // namespace kestrel::gpu
