#pragma once

#include <kestrel/detection/heads/anchor_head.h>
#include <kestrel/layers/conv_module.h>

namespace kestrel {

struct RetinaHeadOptions {
  int64_t num_classes = 80;
  int64_t in_channels = 256;
  int64_t feat_channels = 256;
  int64_t stacked_convs = 4;
  std::optional<NormOptions> norm_cfg = {};
  Config anchor_generator = {};
  Config bbox_coder = {};
  Config loss_cls = {};
  Config loss_bbox = {};
  bool reg_decoded_bbox = false;
  Config init_cfg = {};
  AnchorTrainOptions train_cfg = {};
  DenseTestOptions test_cfg = {};

  template <class V>
  void visit(V& v) {
    v("num_classes", num_classes, "without the background");
    v("in_channels", in_channels, "channels of the neck's outputs");
    v("feat_channels", feat_channels, "channels of the convolutions");
    v("stacked_convs", stacked_convs, "convolutions before the last one, of each branch");
    v("norm_cfg", norm_cfg, "the norms; null: none");
    v("anchor_generator", anchor_generator,
      "an anchor generator; null: RetinaNet's, of 9 anchors on strides 8 to 128");
    v("bbox_coder", bbox_coder, "a coder; null: DeltaXYWHBBoxCoder");
    v("loss_cls", loss_cls, "a loss of the classes; null: FocalLoss");
    v("loss_bbox", loss_bbox, "a loss of the boxes; null: L1Loss");
    v("reg_decoded_bbox", reg_decoded_bbox,
      "loss_bbox compares boxes, as IoU losses need, not deltas");
    v("init_cfg", init_cfg,
      "initial weights; null: convolutions N(0, 0.01), every score starts at 0.01");
    v("train_cfg", train_cfg, "settings of training");
    v("test_cfg", test_cfg, "settings of post-processing");
  }
};

/// The head of RetinaNet (Lin et al. 2017): two towers of convolutions, shared by all levels, one
/// for classes and one for boxes. Children: cls_convs, reg_convs, retina_cls, retina_reg.
class RetinaHead : public AnchorHead {
 public:
  explicit RetinaHead(const RetinaHeadOptions& options);

  Outputs forward(const std::vector<Variable>& levels) override;
  /// By init_cfg; by default convolutions N(0, 0.01) with bias 0, and every score 0.01 by the bias
  /// of retina_cls.
  void init_weights(Philox& random) override;

 private:
  Config init_cfg_;
  ModuleList<ConvModule>& cls_convs_;
  ModuleList<ConvModule>& reg_convs_;
  Conv2d& retina_cls_;
  Conv2d& retina_reg_;
};

}  // namespace kestrel
