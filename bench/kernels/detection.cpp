// What detection adds: assignment, losses, coding, selection, suppression.

#include <kestrel/kernels/anchor_assign.h>
#include <kestrel/kernels/anchor_targets.h>
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
  AssignParams params;
  if (s.value("torchvision", 0) != 0) params.low_quality = LowQuality::AnchorChooses;
  params.gt_max_assign_all = s.value("ties", 1) != 0;
  return {[=]() mutable {
            run(device, cpu::anchor_assign, gpu::anchor_assign, anchors.view(), ConstView{},
                truths.view(), params, assigned.view(), max_iou.view());
          },
          0, bytes_of({anchors, truths, assigned, max_iou})};
}

Job anchor_ignore(const Spec& s, Device device) {
  const Tensor anchors = boxes(s["n"], kHeight, kWidth, 400, device);
  const Tensor truths = boxes(20, kHeight, kWidth, 400, device);
  const Tensor ignored = boxes(s["ignored"], kHeight, kWidth, 400, device);
  Tensor valid = Tensor::full({s["n"]}, 1, DType::UInt8, device);
  return {[=]() mutable {
            run(device, cpu::anchor_ignore, gpu::anchor_ignore, anchors.view(), ignored.view(),
                truths.view(), IgnoreParams{}, valid.view());
          },
          0, bytes_of({anchors, ignored, valid})};
}

/// The pyramid of an image that is 1 / 8, 1 / 16 ... of it, nine anchors a cell.
std::vector<AnchorLevel> pyramid() {
  std::vector<AnchorLevel> levels;
  int64_t begin = 0;
  for (int64_t stride = 8; stride <= 128; stride *= 2) {
    const auto cells = [&](double side) {
      return (static_cast<int64_t>(side) + stride - 1) / stride;
    };
    levels.push_back({begin, cells(kHeight), cells(kWidth), 9, stride});
    begin += levels.back().size();
  }
  return levels;
}

/// What the anchors of a pyramid are to predict: which count, and the targets of an assignment.
Job anchor_targets(const Spec& s, Device device) {
  const std::vector<AnchorLevel> levels = pyramid();
  const int64_t n = levels.back().begin + levels.back().size();
  const Tensor anchors = boxes(n, kHeight, kWidth, 400, device);
  const Tensor truths = boxes(s["truths"], kHeight, kWidth, 400, device);
  const Tensor classes = integers(s["truths"], 0, 80, device);
  const Tensor assigned = integers(n, -1, s["truths"] + 1, device);
  const Tensor image = Tensor::from<int64_t>({800, 1344, 800, 1333}, {4}).to(device);
  Tensor valid = Tensor::empty({n}, DType::UInt8, device);
  Tensor labels = Tensor::empty({n}, DType::Int64, device);
  Tensor label_weights = Tensor::empty({n}, DType::Float32, device);
  Tensor rows = Tensor::empty({n, 4}, DType::Float32, device);
  Tensor targets = Tensor::empty({n, 4}, DType::Float32, device);
  Tensor box_weights = Tensor::empty({n}, DType::Float32, device);
  Tensor positives = Tensor::zeros({}, DType::Float64, device);
  return {[=]() mutable {
            run(device, cpu::anchor_flags, gpu::anchor_flags, anchors.view(),
                std::span<const AnchorLevel>(levels), image.view(), int64_t{0}, valid.view());
            const AnchorTargetViews views{.labels = labels.view(),
                                          .label_weights = label_weights.view(),
                                          .anchors = rows.view(),
                                          .boxes = targets.view(),
                                          .box_weights = box_weights.view(),
                                          .positives = positives.view()};
            run(device, cpu::anchor_targets, gpu::anchor_targets, assigned.view(), anchors.view(),
                classes.view(), truths.view(), std::span<const AnchorLevel>(levels),
                AnchorTargetParams{.num_classes = 80}, views);
          },
          0,
          bytes_of({anchors, valid, assigned, anchors, labels, label_weights, rows, targets,
                    box_weights})};
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

Job softmax_cross_entropy_backward(const Spec& s, Device device) {
  const Tensor logits = normal({s["n"], s["classes"]}, s.dtype, device);
  const Tensor labels = integers(s["n"], 0, s["classes"], device);
  const Tensor sums = Tensor::full({s["n"]}, 5, DType::Float32, device);
  const Tensor grad_losses = Tensor::full({s["n"]}, 1, DType::Float32, device);
  Tensor grad = Tensor::empty(logits.shape(), s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::softmax_cross_entropy_backward, gpu::softmax_cross_entropy_backward,
                logits.view(), labels.view(), ConstView{}, ConstView{}, sums.view(),
                grad_losses.view(), 1.0, int64_t{-100}, grad.view());
          },
          0, bytes_of({logits, labels, sums, grad_losses, grad})};
}

/// Of class labels: the loss, then the gradient.
Job binary_cross_entropy(const Spec& s, Device device) {
  const Tensor logits = normal({s["n"], s["classes"]}, s.dtype, device);
  const Tensor labels = integers(s["n"], 0, s["classes"] + 1, device);
  Tensor losses = Tensor::empty(logits.shape(), DType::Float32, device);
  Tensor grad = Tensor::empty(logits.shape(), s.dtype, device);
  return {[=]() mutable {
            run(device, cpu::binary_cross_entropy_forward, gpu::binary_cross_entropy_forward,
                logits.view(), labels.view(), ConstView{}, ConstView{}, int64_t{-100},
                losses.view());
            run(device, cpu::binary_cross_entropy_backward, gpu::binary_cross_entropy_backward,
                logits.view(), labels.view(), ConstView{}, ConstView{}, losses.cview(), 1.0,
                int64_t{-100}, grad.view());
          },
          0, bytes_of({logits, losses, logits, losses, grad})};
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

Job giou_loss(const Spec& spec, Device device) {
  return box_loss_of(spec, device, BoxLossKind::GIoU);
}

Job box_encode(const Spec& s, Device device) {
  const Tensor anchors = boxes(s["n"], kHeight, kWidth, 400, device);
  const Tensor truths = boxes(s["n"], kHeight, kWidth, 200, device);
  Tensor deltas = Tensor::empty({s["n"], 4}, DType::Float32, device);
  return {[=]() mutable {
            run(device, cpu::box_encode, gpu::box_encode, anchors.view(), truths.view(),
                DeltaParams{}, deltas.view());
          },
          0, bytes_of({anchors, truths, deltas})};
}

Job box_decode_backward(const Spec& s, Device device) {
  const Tensor anchors = boxes(s["n"], kHeight, kWidth, 400, device);
  const Tensor deltas = normal({s["n"], 4}, DType::Float32, device, 0, 0.2);
  const Tensor grad = normal({s["n"], 4}, DType::Float32, device);
  Tensor grad_deltas = Tensor::empty({s["n"], 4}, DType::Float32, device);
  return {[=]() mutable {
            run(device, cpu::box_decode_backward, gpu::box_decode_backward, anchors.view(),
                deltas.view(), grad.view(), DeltaParams{}, ClipSize{kWidth, kHeight},
                grad_deltas.view());
          },
          0, bytes_of({anchors, deltas, grad, grad_deltas})};
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

/// The `k` rows with the best class.
Job top_rows(const Spec& s, Device device) {
  const Tensor logits = normal({s["n"], s["classes"]}, s.dtype, device, -4, 1);
  Tensor rows = Tensor::empty({s["k"]}, DType::Int64, device);
  return {[=]() mutable {
            run(device, cpu::select_rows, gpu::select_rows, logits.view(), rows.view());
          },
          0, bytes_of({logits})};
}

/// Rows and classes of selected positions; then boxes and scores of what was decoded there.
Job score_candidates(const Spec& s, Device device) {
  const Tensor positions = integers(s["n"], 0, 1 << 24, device);
  const Tensor decoded = boxes(s["n"], kHeight, kWidth, 400, device);
  const Tensor logits = normal({s["n"]}, DType::Float32, device);
  Tensor rows = Tensor::empty({s["n"]}, DType::Int64, device);
  Tensor labels = Tensor::empty({s["n"]}, DType::Int64, device);
  Tensor out = Tensor::empty(decoded.shape(), DType::Float32, device);
  Tensor scores = Tensor::empty({s["n"]}, DType::Float32, device);
  return {[=]() mutable {
            run(device, cpu::split_positions, gpu::split_positions, positions.view(), int64_t{80},
                rows.view(), labels.view());
            run(device, cpu::score_candidates, gpu::score_candidates, decoded.view(), logits.view(),
                CandidateParams{}, out.view(), scores.view());
          },
          0, bytes_of({positions, rows, labels, decoded, logits, out, scores})};
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
          {"anchor_ignore", anchor_ignore},
          {"anchor_targets", anchor_targets},
          {"focal_loss", focal_loss},
          {"softmax_cross_entropy", softmax_cross_entropy},
          {"softmax_cross_entropy_backward", softmax_cross_entropy_backward},
          {"binary_cross_entropy", binary_cross_entropy},
          {"smooth_l1_loss", smooth_l1_loss},
          {"giou_loss", giou_loss},
          {"box_encode", box_encode},
          {"box_decode", box_decode},
          {"box_decode_backward", box_decode_backward},
          {"top_k", top_k},
          {"top_rows", top_rows},
          {"score_candidates", score_candidates},
          {"nms", nms}};
}

}  // namespace kestrel::bench
