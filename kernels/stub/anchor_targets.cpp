#include <kestrel/kernels/anchor_targets.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void anchor_flags(ConstView, std::span<const AnchorLevel>, ConstView, int64_t, View, Stream) {
  no_cuda("anchor_flags");
}
void anchor_targets(ConstView, ConstView, ConstView, ConstView, std::span<const AnchorLevel>,
                    const AnchorTargetParams&, const AnchorTargetViews&, Stream) {
  no_cuda("anchor_targets");
}

}  // namespace kestrel::gpu
