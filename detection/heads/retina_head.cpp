#include <kestrel/detection/heads/retina_head.h>

#include <kestrel/detection/init_cfg.h>
#include <kestrel/layers/init.h>

namespace kestrel {
namespace {

const Registration<DenseHead, RetinaHead, RetinaHeadOptions> kRetinaHead{
    "RetinaHead", "two branches of convolutions over every level"};

AnchorHeadOptions anchor_head_options(const RetinaHeadOptions& options) {
  Config anchors = options.anchor_generator;
  if (anchors.is_null()) {
    anchors = Config::parse(
        "{type: AnchorGenerator, octave_base_scale: 4, scales_per_octave: 3,"
        " ratios: [0.5, 1.0, 2.0], strides: [8, 16, 32, 64, 128]}",
        "RetinaHead");
  }
  return {.num_classes = options.num_classes,
          .anchor_generator = anchors,
          .bbox_coder = options.bbox_coder,
          .loss_cls = options.loss_cls,
          .loss_bbox = options.loss_bbox,
          .reg_decoded_bbox = options.reg_decoded_bbox,
          .train_cfg = options.train_cfg,
          .test_cfg = options.test_cfg};
}

Conv2dOptions predictor(int64_t in_channels, int64_t out_channels) {
  return {.in_channels = in_channels, .out_channels = out_channels, .kernel_size = 3, .padding = 1};
}

}  // namespace

RetinaHead::RetinaHead(const RetinaHeadOptions& options)
    : AnchorHead(anchor_head_options(options)),
      init_cfg_(options.init_cfg),
      cls_convs_(add<ModuleList<ConvModule>>("cls_convs")),
      reg_convs_(add<ModuleList<ConvModule>>("reg_convs")),
      retina_cls_(add<Conv2d>(
          "retina_cls",
          predictor(options.stacked_convs > 0 ? options.feat_channels : options.in_channels,
                    num_anchors() * num_classes()))),
      retina_reg_(add<Conv2d>("retina_reg",
                              predictor(retina_cls_.options().in_channels, num_anchors() * 4))) {
  check_init_cfg(init_cfg_);
  for (int64_t i = 0; i < options.stacked_convs; ++i) {
    const ConvModuleOptions conv{
        .in_channels = i == 0 ? options.in_channels : options.feat_channels,
        .out_channels = options.feat_channels,
        .kernel_size = 3,
        .padding = 1,
        .norm_cfg = options.norm_cfg};
    cls_convs_.emplace(conv);
    reg_convs_.emplace(conv);
  }
}

AnchorHead::Outputs RetinaHead::forward(const std::vector<Variable>& levels) {
  Outputs outputs;
  for (const Variable& level : levels) {
    Variable cls = level;
    for (ConvModule* conv : cls_convs_) cls = conv->forward(cls);
    outputs.cls_scores.push_back(retina_cls_.forward(cls));
    Variable reg = level;
    for (ConvModule* conv : reg_convs_) reg = conv->forward(reg);
    outputs.bbox_preds.push_back(retina_reg_.forward(reg));
  }
  return outputs;
}

void RetinaHead::init_weights(Philox& random) {
  if (init_by_config(*this, init_cfg_, random)) return;
  const auto normal = [&](ConvLayer& conv) {
    init::normal(conv.weight, 0, 0.01, random);
    if (conv.bias) init::constant(conv.bias, 0);
  };
  for (auto* tower : {&cls_convs_, &reg_convs_}) {
    for (ConvModule* conv : *tower) {
      conv->init_weights(random);  // for a norm, if there is one
      normal(conv->conv);
    }
  }
  normal(retina_cls_);
  normal(retina_reg_);
  init::constant(retina_cls_.bias, init::bias_for_probability(0.01));
  state_changed();
}

}  // namespace kestrel
