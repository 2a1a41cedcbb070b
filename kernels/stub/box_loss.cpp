#include <kestrel/kernels/box_loss.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void box_loss(ConstView, ConstView, ConstView, const BoxLossParams&, ConstView, View, View,
              Stream) {
  no_cuda("box_loss");
}

}  // namespace kestrel::gpu
