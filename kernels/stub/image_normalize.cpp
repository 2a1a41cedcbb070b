#include <kestrel/kernels/image_normalize.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void image_normalize(ConstView, View, const ImageNormalizeParams&, Stream) {
  no_cuda("image_normalize");
}

}  // namespace kestrel::gpu
