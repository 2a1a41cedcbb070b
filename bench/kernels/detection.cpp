// What detection adds: assignment, losses, coding, selection, suppression.

#include <kestrel/kernels/anchor_assign.h>
#include <kestrel/kernels/box_coder.h>
#include <kestrel/kernels/box_loss.h>
#include <kestrel/kernels/candidate_select.h>
#include <kestrel/kernels/cross_entropy.h>
#include <kestrel/kernels/focal_loss.h>
#include <kestrel/kernels/nms.h>

#include "job.h"

namespace kestrel::bench {
namespace {

constexpr double kHeight = 800;
constexpr double kWidth = 1344;

Job anchor_assign(const Spec& s, Device device) {
  const Tensor anchors = boxes(s["n"], kHeight, kWidth, 400, device);
  const Tensor truths = boxes(s["truths"], kHeight, kWidth, 400, device);
  Tensor assigned = Tensor::empty({s["n"]}, DType::Int64, device);
  Tensor max_iou = Tensor::empty({s["n"]}, DType::Float32, device);
  return {[=]() mutable {
            run(device, cpu::anchor_assign, gpu::anchor_assign, anchors.view(), ConstView{},
                truths.view(), AssignParams{}, assigned.view(), max_iou.view());
          },
          0, bytes_of({anchors, truths, assigned, max_iou})};
}

/// Loss and gradient.
Job focal_loss(const Spec& s, Device device) {
  const Tensor logits = normal({s["n"], s["classes"]}, s.dtype, device, -4, 1);
  const Tensor labels = integers(s["n"], s["classes"], s["classes"] + 1, device);
  Tensor loss = Tensor::empty({}, DType::Float32, device);
  Tensor grad = Tensor::empty(logits.shape(), s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::focal_loss, gpu::focal_loss, logits.view(), labels.view(), ConstView{},
                FocalLossParams{}, ConstView{}, loss.view(), grad.view());
          },
          0, bytes_of({logits, labels, grad})};
}

Job softmax_cross_entropy(const Spec& s, Device device) {
  const Tensor logits = normal({s["n"], s["classes"]}, s.dtype, device);
  const Tensor labels = integers(s["n"], 0, s["classes"], device);
  Tensor losses = Tensor::empty({s["n"]}, DType::Float32, device);
  Tensor sums = Tensor::empty({s["n"]}, DType::Float32, device);
  return {[=]() mutable {
            run(device, cpu::softmax_cross_entropy_forward, gpu::softmax_cross_entropy_forward,
                logits.view(), labels.view(), ConstView{}, ConstView{}, int64_t{-100},
                losses.view(), sums.view());
          },
          0, bytes_of({logits, labels, losses, sums})};
}

Job box_loss_of(const Spec& s, Device device, BoxLossKind kind) {
  const Tensor pred = boxes(s["n"], kHeight, kWidth, 400, device);
  const Tensor target = normal({s["n"], 4}, DType::Float32, device, 400, 100);
  Tensor loss = Tensor::empty({}, DType::Float32, device);
  Tensor grad = Tensor::empty(pred.shape(), DType::Float32, device);
  return {[=]() mutable {
            run(device, cpu::box_loss, gpu::box_loss, pred.view(), target.view(), ConstView{},
                BoxLossParams{.kind = kind}, ConstView{}, loss.view(), grad.view());
          },
          0, bytes_of({pred, target, grad})};
}

Job smooth_l1_loss(const Spec& spec, Device device) {
  return box_loss_of(spec, device, BoxLossKind::SmoothL1);
}

Job box_decode(const Spec& s, Device device) {
  const Tensor anchors = boxes(s["n"], kHeight, kWidth, 400, device);
  const Tensor deltas = normal({s["n"], 4}, DType::Float32, device, 0, 0.2);
  Tensor decoded = Tensor::empty({s["n"], 4}, DType::Float32, device);
  return {[=]() mutable {
            run(device, cpu::box_decode, gpu::box_decode, anchors.view(), deltas.view(),
                DeltaParams{}, ClipSize{kWidth, kHeight}, decoded.view());
          },
          0, bytes_of({anchors, deltas, decoded})};
}

/// The `k` best of n logits.
Job top_k(const Spec& s, Device device) {
  const Tensor logits = normal({s["n"]}, s.dtype, device, -4, 1);
  Tensor indices = Tensor::empty({s["k"]}, DType::Int64, device);
  Tensor values = Tensor::empty({s["k"]}, DType::Float32, device);
  Tensor count = Tensor::empty({1}, DType::Int64, device);
  return {[=]() mutable {
            run(device, cpu::select_above, gpu::select_above, logits.view(), -2.94F, indices.view(),
                values.view(), count.view());
          },
          0, bytes_of({logits})};
}

Job nms(const Spec& s, Device device) {
  const Tensor candidates = boxes(s["n"], kHeight, kWidth, 100, device);
  const Tensor scores = normal({s["n"]}, DType::Float32, device);
  const int64_t count = s.value("classes", 0);
  const Tensor classes = count > 0 ? integers(s["n"], 0, count, device) : Tensor();
  Tensor kept = Tensor::empty({s["n"]}, DType::Int64, device);
  return {[=]() mutable {
            run(device, cpu::nms, gpu::nms, candidates.view(), scores.view(), classes.view(),
                NmsParams{}, kept.view());
          },
          0, bytes_of({candidates, scores})};
}

}  // namespace

Operators detection_operators() {
  return {{"anchor_assign", anchor_assign},
          {"focal_loss", focal_loss},
          {"softmax_cross_entropy", softmax_cross_entropy},
          {"smooth_l1_loss", smooth_l1_loss},
          {"box_decode", box_decode},
          {"top_k", top_k},
          {"nms", nms}};
}

}  // namespace kestrel::bench
