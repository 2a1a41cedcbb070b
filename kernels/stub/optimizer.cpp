#include <kestrel/kernels/optimizer.h>
#include <kestrel/kernels/stub/no_cuda.h>

namespace kestrel::gpu {

void optimizer_step(std::span<const ParamTensor>, const UpdateRule&, ConstView, Stream) {
  no_cuda("optimizer_step");
}
void lamb_step(std::span<const ParamTensor>, const LambRule&, ConstView, ConstView, Stream) {
  no_cuda("lamb_step");
}
void clip_grad_norm(std::span<const View>, double, double, View, Stream) {
  no_cuda("clip_grad_norm");
}
void clip_grad_value(std::span<const View>, double, Stream) {
  no_cuda("clip_grad_value");
}
void ema_step(std::span<const EmaTensor>, double, Stream) {
  no_cuda("ema_step");
}

}  // namespace kestrel::gpu
