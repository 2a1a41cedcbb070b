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
  Config anchor_generator = {};  ///< Default: RetinaNet's, of 9 anchors on strides 8 to 128.
  Config bbox_coder = {};        ///< Default: DeltaXYWHBBoxCoder.
  Config loss_cls = {};          ///< Default: FocalLoss.
  Config loss_bbox = {};         ///< Default: L1Loss.
  bool reg_decoded_bbox = false;
  AnchorTrainOptions train_cfg = {};
  DenseTestOptions test_cfg = {};

  template <class V>
  void visit(V& v) {
    v("num_classes", num_classes);
    v("in_channels", in_channels);
    v("feat_channels", feat_channels);
    v("stacked_convs", stacked_convs);
    v("norm_cfg", norm_cfg);
    v("anchor_generator", anchor_generator);
    v("bbox_coder", bbox_coder);
    v("loss_cls", loss_cls);
    v("loss_bbox", loss_bbox);
    v("reg_decoded_bbox", reg_decoded_bbox);
    v("train_cfg", train_cfg);
    v("test_cfg", test_cfg);
  }
};

/// The head of RetinaNet (Lin et al. 2017): two towers of convolutions, shared by all levels, one
/// for classes and one for boxes. Children: cls_convs, reg_convs, retina_cls, retina_reg.
class RetinaHead : public AnchorHead {
 public:
  explicit RetinaHead(const RetinaHeadOptions& options);

  Outputs forward(const std::vector<Variable>& levels) override;
  /// Convolutions N(0, 0.01) with bias 0; the bias of retina_cls makes every score 0.01.
  void init_weights(Philox& random) override;

 private:
  ModuleList<ConvModule>& cls_convs_;
  ModuleList<ConvModule>& reg_convs_;
  Conv2d& retina_cls_;
  Conv2d& retina_reg_;
};

}  // namespace kestrel
