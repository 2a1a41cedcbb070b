#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include <kestrel/detection/backbones/backbone.h>
#include <kestrel/layers/conv2d.h>
#include <kestrel/layers/deform_conv2d.h>
#include <kestrel/layers/norm.h>
#include <kestrel/registry/config.h>

namespace kestrel {

/// Deformable convolutions in place of the 3x3 convolutions of bottlenecks.
struct DcnOptions {
  DeformConvType type = DeformConvType::DCN;
  int64_t deform_groups = 1;
  bool fallback_on_stride = false;

  template <class V>
  void visit(V& v) {
    v("type", type, "v1 or v2");
    v("deform_groups", deform_groups, "groups of channels with offsets of their own");
    v("fallback_on_stride", fallback_on_stride, "the first block that would be deformable is not");
  }
};

/// Blocks between the layers of bottlenecks: {cfg: {type: ContextBlock, ratio: 0.0625}, stages:
/// [false, true, true, true], position: after_conv3}.
struct ResNetPlugin {
  enum class Position { AfterConv1, AfterConv2, AfterConv3 };

  Config cfg = {};
  std::vector<bool> stages = {};
  Position position = Position::AfterConv3;

  template <class V>
  void visit(V& v) {
    v("cfg", cfg, "a block; `postfix` is added to its name");
    v("stages", stages, "whether each stage has it; empty: all");
    v("position", position, "after which convolution of a bottleneck");
  }
};

constexpr auto enum_names(ResNetPlugin::Position) {
  using enum ResNetPlugin::Position;
  return std::array{std::pair{AfterConv1, "after_conv1"}, std::pair{AfterConv2, "after_conv2"},
                    std::pair{AfterConv3, "after_conv3"}};
}

/// Options of ResNet, named as MMDetection's.
struct ResNetOptions {
  int64_t depth = 50;
  int64_t in_channels = 3;
  int64_t stem_channels = 0;
  int64_t base_channels = 64;
  int64_t num_stages = 4;
  std::vector<int64_t> strides = {1, 2, 2, 2};
  std::vector<int64_t> dilations = {1, 1, 1, 1};
  std::vector<int64_t> out_indices = {0, 1, 2, 3};
  std::string style = "pytorch";
  int64_t frozen_stages = -1;
  NormOptions norm_cfg;
  bool norm_eval = true;
  std::optional<DcnOptions> dcn = {};
  std::vector<bool> stage_with_dcn = {false, false, false, false};
  std::vector<ResNetPlugin> plugins = {};
  bool with_cp = false;
  bool zero_init_residual = true;
  Config init_cfg = {};

  template <class V>
  void visit(V& v) {
    v("depth", depth, "18, 34, 50, 101 or 152");
    v("in_channels", in_channels, "channels of the image");
    v("stem_channels", stem_channels, "0: base_channels");
    v("base_channels", base_channels, "channels of the first stage");
    v("num_stages", num_stages, "1 to 4");
    v("strides", strides, "of the first block of each stage");
    v("dilations", dilations, "of each stage");
    v("out_indices", out_indices, "stages whose outputs are given");
    v("style", style, "a bottleneck has its stride in its 3x3 (\"pytorch\") or 1x1 (\"caffe\")");
    v("frozen_stages", frozen_stages,
      "0: the stem; n: the stem and the first n stages: not trained, in eval mode");
    v("norm_cfg", norm_cfg, "the norms");
    v("norm_eval", norm_eval,
      "norms use running statistics in training too; weight and bias still train");
    v("dcn", dcn, "deformable 3x3 convolutions, for depths with bottlenecks: 50, 101, 152");
    v("stage_with_dcn", stage_with_dcn, "which stages have them");
    v("plugins", plugins, "blocks between the layers, for depths with bottlenecks");
    v("with_cp", with_cp, "gradient checkpointing per block");
    v("zero_init_residual", zero_init_residual,
      "last norm of a block starts at 0; only where nothing pretrained is loaded");
    v("init_cfg", init_cfg,
      "{type: Pretrained, checkpoint: FILE}, which the trainer loads, or rules of initial weights");
  }
};

/// One residual block; x (N, H, W, C) to (N, H / stride, W / stride, C').
class ResidualBlock : public Module {
 public:
  virtual Variable forward(const Variable& x) = 0;
  /// The norm whose weight may start at zero.
  virtual BatchNorm2d& last_norm() = 0;
};

/// He et al. 2016, "Deep residual learning"; the stride placement of `style`. Parameter names are
/// torchvision's and MMDetection's: conv1, bn1, layer1.0.conv1, layer1.0.downsample.0, ...
class ResNet : public Backbone {
 public:
  explicit ResNet(const ResNetOptions& options = {});

  std::vector<Variable> forward(const Variable& images) override;
  std::vector<int64_t> out_channels() const override { return out_channels_; }
  /// By init_cfg; else Kaiming normal (fan out) convolutions, and deformable ones as their layers
  /// say, so that their offsets start at zero.
  void init_weights(Philox& random) override;

 protected:
  /// With the 3x3 convolutions of ResNeXt.
  ResNet(const ResNetOptions& options, int64_t groups, int64_t base_width);
  void on_train(bool on) override;

 private:
  void freeze();
  std::vector<Module*> frozen_modules() const;

  ResNetOptions options_;
  Conv2d& conv1_;
  BatchNorm2d& bn1_;
  std::vector<ModuleList<ResidualBlock>*> stages_;
  std::vector<int64_t> out_channels_;
};

/// Options of ResNeXt: those of ResNet and two more.
struct ResNeXtOptions {
  ResNetOptions resnet;
  int64_t groups = 1;
  int64_t base_width = 4;

  template <class V>
  void visit(V& v) {
    resnet.visit(v);
    v("groups", groups, "of the 3x3 convolutions");
    v("base_width", base_width, "channels of a group in the first stage, where there are several");
  }
};

/// Xie et al. 2017, "Aggregated residual transformations": ResNet with bottlenecks whose 3x3
/// convolutions are grouped, and wider.
class ResNeXt : public ResNet {
 public:
  explicit ResNeXt(const ResNeXtOptions& options = {});

 private:
  static const ResNetOptions& checked(const ResNeXtOptions& options);
};

}  // namespace kestrel
