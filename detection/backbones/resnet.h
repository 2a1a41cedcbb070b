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
  /// The first block that would be deformable is not. MMDetection's name promises every block with
  /// a stride, but the first one uses the option up.
  bool fallback_on_stride = false;

  template <class V>
  void visit(V& v) {
    v("type", type);
    v("deform_groups", deform_groups);
    v("fallback_on_stride", fallback_on_stride);
  }
};

/// Blocks between the layers of bottlenecks: {cfg: {type: ContextBlock, ratio: 0.0625}, stages:
/// [false, true, true, true], position: after_conv3}.
struct ResNetPlugin {
  enum class Position { AfterConv1, AfterConv2, AfterConv3 };

  Config cfg = {};  ///< Of a Block; `postfix` is added to its name.
  /// Whether each stage has it; all, where there are none.
  std::vector<bool> stages = {};
  Position position = Position::AfterConv3;

  template <class V>
  void visit(V& v) {
    v("cfg", cfg);
    v("stages", stages);
    v("position", position);
  }
};

constexpr auto enum_names(ResNetPlugin::Position) {
  using enum ResNetPlugin::Position;
  return std::array{std::pair{AfterConv1, "after_conv1"}, std::pair{AfterConv2, "after_conv2"},
                    std::pair{AfterConv3, "after_conv3"}};
}

/// Options of ResNet, named as MMDetection's.
struct ResNetOptions {
  int64_t depth = 50;  ///< 18, 34, 50, 101 or 152.
  int64_t in_channels = 3;
  int64_t stem_channels = 0;  ///< 0: base_channels.
  int64_t base_channels = 64;
  int64_t num_stages = 4;
  std::vector<int64_t> strides = {1, 2, 2, 2};
  std::vector<int64_t> dilations = {1, 1, 1, 1};
  std::vector<int64_t> out_indices = {0, 1, 2, 3};
  std::string style =
      "pytorch";  ///< Stride of a bottleneck in its 3x3 ("pytorch") or 1x1 ("caffe").
  int64_t frozen_stages =
      -1;  ///< 0: the stem; n: the stem and the first n stages. Not trained, in eval mode.
  NormOptions norm_cfg;
  bool norm_eval =
      true;  ///< Norms use running statistics in training too; weight and bias still train.
  std::optional<DcnOptions> dcn = {};  ///< For depths with bottlenecks: 50, 101, 152.
  std::vector<bool> stage_with_dcn = {false, false, false, false};
  std::vector<ResNetPlugin> plugins = {};  ///< For depths with bottlenecks.
  bool with_cp = false;                    ///< Gradient checkpointing per block.
  bool zero_init_residual =
      true;  ///< Last norm of a block starts at 0. Only where nothing pretrained is loaded.
  std::optional<Config>
      init_cfg;  ///< {type: Pretrained, checkpoint: file}; applied by the trainer.

  template <class V>
  void visit(V& v) {
    v("depth", depth);
    v("in_channels", in_channels);
    v("stem_channels", stem_channels);
    v("base_channels", base_channels);
    v("num_stages", num_stages);
    v("strides", strides);
    v("dilations", dilations);
    v("out_indices", out_indices);
    v("style", style);
    v("frozen_stages", frozen_stages);
    v("norm_cfg", norm_cfg);
    v("norm_eval", norm_eval);
    v("dcn", dcn);
    v("stage_with_dcn", stage_with_dcn);
    v("plugins", plugins);
    v("with_cp", with_cp);
    v("zero_init_residual", zero_init_residual);
    v("init_cfg", init_cfg);
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
  /// Kaiming normal (fan out) convolutions; deformable ones as their layers say, so that their
  /// offsets start at zero.
  void init_weights(Philox& random) override;

 protected:
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

}  // namespace kestrel
