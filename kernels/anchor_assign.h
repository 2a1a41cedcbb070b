#pragma once

#include <cstdint>

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// Assignment of anchors to ground truths by IoU: MMDetection's MaxIoUAssigner.
namespace kestrel {

/// Which ground truth an anchor gets that is among the best for some ground truth and would
/// otherwise not be positive.
enum class LowQuality : uint8_t {
  None,  ///< No such anchors.
  /// MMDetection: each ground truth whose best IoU is at least min_pos_iou takes the anchors with
  /// that IoU from whomever they were assigned to; later ground truths take from earlier ones.
  GroundTruthTakes,
  /// torchvision: the anchor gets the ground truth that it overlaps most itself.
  AnchorChooses,
};

struct AssignParams {
  double pos_iou_thr = 0.5;
  double neg_iou_lower = 0;    ///< An anchor is negative if its best IoU is in
  double neg_iou_upper = 0.4;  ///< [neg_iou_lower, neg_iou_upper).
  double min_pos_iou = 0;      ///< Of LowQuality::GroundTruthTakes.
  LowQuality low_quality = LowQuality::GroundTruthTakes;
  bool gt_max_assign_all = true;  ///< Takes all anchors that tie; else the first.
};

/// Which anchors an ignored box takes out: those of which, of_anchors, or of whose ignored box, the
/// intersection is a share above the threshold.
struct IgnoreParams {
  double threshold = 0.5;
  bool of_anchors = true;
};

namespace cpu {

/// anchors (n, 4) float32; valid (n) uint8 or absent: anchors with 0 are ignored (-1, IoU 0) and
/// count for nothing; truths (g, 4) float32. Writes to assigned (n) int64: -1 ignored, 0 negative,
/// k > 0 ground truth k - 1, and to max_iou (n) float32 the best IoU of each anchor. Among equal
/// IoUs the first ground truth counts. IoU is inter / max(union, 1e-6) in float32. A ground truth
/// with a coordinate or area that is not finite overlaps nothing and takes nothing; such an anchor
/// is ignored. As in MMDetection, with
/// min_pos_iou 0 a ground truth that overlaps no anchor takes every anchor, all of which tie at 0.
/// Never holds an n x g matrix. Deterministic.
void anchor_assign(ConstView anchors, ConstView valid, ConstView truths, const AssignParams& params,
                   View assigned, View max_iou);

/// Clears the entries of valid (n) uint8 of the anchors (n, 4) float32 that lie in one of ignored
/// (i, 4) float32, as MMDetection's MaxIoUAssigner does with ignore_iof_thr: inter / max(area,
/// 1e-6) in float32 is above the threshold. Without a ground truth in truths (g, 4) nothing is
/// cleared. A ground truth or ignored box whose coordinates or area are not finite is none.
/// Deterministic.
void anchor_ignore(ConstView anchors, ConstView ignored, ConstView truths,
                   const IgnoreParams& params, View valid);

}  // namespace cpu
namespace gpu {

void anchor_assign(ConstView anchors, ConstView valid, ConstView truths, const AssignParams& params,
                   View assigned, View max_iou, Stream stream);
void anchor_ignore(ConstView anchors, ConstView ignored, ConstView truths,
                   const IgnoreParams& params, View valid, Stream stream);

}  // namespace gpu
}  // namespace kestrel
