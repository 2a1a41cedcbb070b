#include <kestrel/detection/assigners/max_iou_assigner.h>

namespace kestrel {
namespace {

const Registration<Assigner, MaxIoUAssigner, MaxIoUAssignerOptions> kMaxIoUAssigner{
    "MaxIoUAssigner", "gives an anchor the ground truth that it overlaps most"};

}  // namespace

MaxIoUAssigner::MaxIoUAssigner(const MaxIoUAssignerOptions& options) {
  params_.pos_iou_thr = options.pos_iou_thr;
  params_.min_pos_iou = options.min_pos_iou;
  params_.gt_max_assign_all = options.gt_max_assign_all;
  if (options.neg_iou_thr.is_list()) {
    const auto range = options.neg_iou_thr.items();
    if (range.size() != 2) options.neg_iou_thr.fail("must be a number or [lower, upper]");
    params_.neg_iou_lower = range[0].as_float();
    params_.neg_iou_upper = range[1].as_float();
  } else {
    params_.neg_iou_upper = options.neg_iou_thr.as_float();
  }
  ignore_ = {.threshold = options.ignore_iof_thr, .of_anchors = options.ignore_wrt_candidates};
  if (!options.match_low_quality) {
    params_.low_quality = LowQuality::None;
  } else if (options.torchvision_matching) {
    params_.low_quality = LowQuality::AnchorChooses;
  }
}

AssignResult MaxIoUAssigner::assign(const Tensor& anchors, const Tensor& given_valid,
                                    const Tensor& truths, const Tensor& ignored) const {
  const int64_t n = anchors.size(0);
  Tensor valid = given_valid;
  if (ignore_.threshold > 0 && ignored && ignored.numel() > 0) {
    valid = valid ? valid.clone() : Tensor::full({n}, 1, DType::UInt8, anchors.device());
    run(anchors.device(), cpu::anchor_ignore, gpu::anchor_ignore, anchors.view(), ignored.view(),
        truths.view(), ignore_, valid.view());
  }
  AssignResult result{Tensor::empty({n}, DType::Int64, anchors.device()),
                      Tensor::empty({n}, DType::Float32, anchors.device())};
  run(anchors.device(), cpu::anchor_assign, gpu::anchor_assign, anchors.view(), valid.view(),
      truths.view(), params_, result.assigned.view(), result.max_iou.view());
  return result;
}

}  // namespace kestrel
