#include <kestrel/kernels/group_norm.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void group_norm_forward(ConstView, ConstView, ConstView, View, View, View, const GroupNormParams&,
                        Stream) {
  no_cuda("group_norm");
}
void group_norm_backward(ConstView, ConstView, ConstView, ConstView, ConstView, ConstView, View,
                         View, View, const GroupNormParams&, Stream) {
  no_cuda("group_norm_backward");
}

}  // namespace kestrel::gpu
