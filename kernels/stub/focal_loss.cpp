#include <kestrel/kernels/focal_loss.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void focal_loss(ConstView, ConstView, ConstView, const FocalLossParams&, ConstView, View, View,
                Stream) {
  no_cuda("focal_loss");
}

}  // namespace kestrel::gpu
