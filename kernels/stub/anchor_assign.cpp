#include <kestrel/kernels/anchor_assign.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void anchor_assign(ConstView, ConstView, ConstView, const AssignParams&, View, View, Stream) {
  no_cuda("anchor_assign");
}

void anchor_ignore(ConstView, ConstView, ConstView, const IgnoreParams&, View, Stream) {
  no_cuda("anchor_ignore");
}

}  // namespace kestrel::gpu
