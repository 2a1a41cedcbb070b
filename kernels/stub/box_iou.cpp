#include <kestrel/kernels/box_iou.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void box_iou(ConstView, ConstView, const BoxIouParams&, View, Stream) {
  no_cuda("box_iou");
}

}  // namespace kestrel::gpu
