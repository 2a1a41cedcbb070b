#pragma once

#include <kestrel/detection/assigners/assigner.h>
#include <kestrel/kernels/anchor_assign.h>

namespace kestrel {

struct MaxIoUAssignerOptions {
  double pos_iou_thr = 0.5;
  Config neg_iou_thr = 0.4;
  double min_pos_iou = 0;
  bool gt_max_assign_all = true;
  bool match_low_quality = true;
  bool torchvision_matching = false;
  double ignore_iof_thr = -1;
  bool ignore_wrt_candidates = true;
  int64_t gpu_assign_thr = -1;

  template <class V>
  void visit(V& v) {
    v("pos_iou_thr", pos_iou_thr, "positive from this overlap on");
    v("neg_iou_thr", neg_iou_thr, "negative below this; or [lower, upper)");
    v("min_pos_iou", min_pos_iou,
      "least overlap of a ground truth's best anchor to become positive");
    v("gt_max_assign_all", gt_max_assign_all,
      "all anchors that overlap a ground truth as much as its best");
    v("match_low_quality", match_low_quality,
      "the best anchors of each ground truth become positive, too");
    v("torchvision_matching", torchvision_matching,
      "low-quality anchors get the ground truth they overlap most");
    v("ignore_iof_thr", ignore_iof_thr,
      "above 0: anchors of which more than this share lies in an ignored box are ignored "
      "themselves");
    v("ignore_wrt_candidates", ignore_wrt_candidates,
      "false: anchors that cover more than that share of an ignored box");
    v("gpu_assign_thr", gpu_assign_thr,
      "without effect: there is no matrix that could be too large");
  }
};

/// Assigns by IoU: MMDetection's MaxIoUAssigner; see kernels/anchor_assign.h for its rules.
class MaxIoUAssigner : public Assigner {
 public:
  explicit MaxIoUAssigner(const MaxIoUAssignerOptions& options = {});

  AssignResult assign(const Tensor& anchors, const Tensor& valid, const Tensor& truths,
                      const Tensor& ignored = {}) const override;

 private:
  AssignParams params_;
  IgnoreParams ignore_;  // threshold <= 0: no anchor is ignored for a crowd
};

}  // namespace kestrel
