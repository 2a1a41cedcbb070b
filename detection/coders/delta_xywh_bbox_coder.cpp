#include <kestrel/detection/coders/delta_xywh_bbox_coder.h>

#include <kestrel/autograd/functions/box_decode.h>

namespace kestrel {
namespace {

const Registration<BBoxCoder, DeltaXYWHBBoxCoder, DeltaXYWHBBoxCoderOptions> kDeltaXYWHBBoxCoder{
    "DeltaXYWHBBoxCoder",
    "offsets of the centre and logarithms of the size, relative to the anchor's"};

}  // namespace

DeltaXYWHBBoxCoder::DeltaXYWHBBoxCoder(const DeltaXYWHBBoxCoderOptions& options) {
  for (size_t i = 0; i < 4; ++i) {
    params_.means[i] = options.target_means[i];
    params_.stds[i] = options.target_stds[i];
    if (!(options.target_stds[i] > 0)) {
      fail<UsageError>("[delta_xywh_bbox_coder] target_stds must be positive, got ",
                       options.target_stds[i]);
    }
  }
  params_.clip = options.clip_border;
  params_.clamp_lower = !options.torchvision_clamp;
}

Tensor DeltaXYWHBBoxCoder::encode(const Tensor& anchors, const Tensor& boxes) const {
  Tensor deltas = Tensor::empty_like(boxes);
  run(boxes.device(), cpu::box_encode, gpu::box_encode, anchors.view(), boxes.view(), params_,
      deltas.view());
  return deltas;
}

Variable DeltaXYWHBBoxCoder::decode(const Tensor& anchors, const Variable& deltas) const {
  DeltaParams unclipped = params_;
  unclipped.clip = false;
  return autograd::box_decode(anchors, deltas, unclipped);
}

Tensor DeltaXYWHBBoxCoder::decode(const Tensor& anchors, const Tensor& deltas,
                                  ClipSize image) const {
  Tensor boxes = Tensor::empty_like(deltas);
  run(deltas.device(), cpu::box_decode, gpu::box_decode, anchors.view(), deltas.view(), params_,
      image, boxes.view());
  return boxes;
}

}  // namespace kestrel
