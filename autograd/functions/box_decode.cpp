#include <kestrel/autograd/functions/box_decode.h>

#include <kestrel/autograd/functions/shape_ops.h>

namespace kestrel::autograd {

Variable box_decode(const Tensor& anchors, const Variable& deltas, const DeltaParams& params,
                    ClipSize size) {
  check_same_device("box_decode", anchors, deltas.data());
  if (deltas.dtype() == DType::BFloat16) {
    return box_decode(anchors, cast(deltas, DType::Float32), params, size);
  }
  Tensor boxes = Tensor::empty_like(deltas.data());
  run(deltas.device(), cpu::box_decode, gpu::box_decode, anchors.view(), deltas.view(), params,
      size, boxes.view());
  return record("box_decode", {deltas}, std::move(boxes),
                [anchors, saved = deltas.data(), params, size](
                    std::span<Tensor> grad_outputs, const NeedsGrad&) -> std::vector<Tensor> {
                  Tensor grad = Tensor::empty_like(saved);
                  run(saved.device(), cpu::box_decode_backward, gpu::box_decode_backward,
                      anchors.cview(), saved.cview(), grad_outputs[0].cview(), params, size,
                      grad.view());
                  return {grad};
                });
}

}  // namespace kestrel::autograd
