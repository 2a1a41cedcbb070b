#include <kestrel/kernels/optimizer.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void sgd_step(std::span<const SgdTensor>, const SgdParams&, ConstView, Stream) {
  no_cuda("sgd_step");
}
void adam_step(std::span<const AdamTensor>, const AdamParams&, ConstView, Stream) {
  no_cuda("adam_step");
}
void clip_grad_norm(std::span<const View>, double, View, Stream) {
  no_cuda("clip_grad_norm");
}
void ema_step(std::span<const EmaTensor>, float, Stream) {
  no_cuda("ema_step");
}

}  // namespace kestrel::gpu
