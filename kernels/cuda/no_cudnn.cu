#include <kestrel/kernels/cuda/cudnn.h>

namespace kestrel::gpu {

bool has_cudnn() {
  return false;
}

bool cudnn_forward(const Conv2dGeometry&, ConstView, ConstView, ConstView, ConstView, View, bool,
                   Stream) {
  return false;
}
bool cudnn_backward_data(const Conv2dGeometry&, ConstView, ConstView, View, Stream) {
  return false;
}
bool cudnn_backward_weights(const Conv2dGeometry&, ConstView, ConstView, View, Stream) {
  return false;
}
bool cublas_matmul(const MatmulSizes&, ConstView, ConstView, View, const MatmulParams&, Stream) {
  return false;
}

}  // namespace kestrel::gpu
