#include <kestrel/kernels/roi_align.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void roi_align_forward(ConstView, ConstView, View, const RoiAlignParams&, Stream) {
  no_cuda("roi_align");
}
void roi_align_backward(ConstView, ConstView, View, const RoiAlignParams&, Stream) {
  no_cuda("roi_align_backward");
}

}  // namespace kestrel::gpu
