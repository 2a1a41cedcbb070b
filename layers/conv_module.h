#pragma once

#include <optional>
#include <string>
#include <vector>

#include <kestrel/layers/activation.h>
#include <kestrel/layers/conv2d.h>

namespace kestrel {

/// MMCV's bias: a bool, or "auto" for a bias exactly where there is no norm.
struct AutoBias {
  std::optional<bool> value = {};

  void read(const Config& node);
  Config write() const;
};

/// MMCV's options of a ConvModule.
struct ConvModuleOptions {
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t kernel_size = 1;
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
  AutoBias bias = {};
  Config conv_cfg = {};
  std::optional<NormOptions> norm_cfg = {};
  Config act_cfg = layer_config("ReLU");
  bool inplace = true;
  bool with_spectral_norm = false;
  std::string padding_mode = "zeros";
  std::vector<std::string> order = {"conv", "norm", "act"};

  template <class V>
  void visit(V& v) {
    v("in_channels", in_channels, "channels of the input");
    v("out_channels", out_channels, "channels of the output");
    v("kernel_size", kernel_size, "pixels of a side");
    v("stride", stride, "pixels between outputs");
    v("padding", padding, "zeros around the input");
    v("dilation", dilation, "pixels between the inputs of an output");
    v("groups", groups, "groups of channels that do not see each other");
    v("bias", bias, "auto: where there is no norm");
    v("conv_cfg", conv_cfg, "a convolution; null: Conv2d");
    v("norm_cfg", norm_cfg, "a norm layer; null: none");
    v("act_cfg", act_cfg, "an activation; null: none");
    v("inplace", inplace, "without effect");
    v("with_spectral_norm", with_spectral_norm, "must be false");
    v("padding_mode", padding_mode, "must be zeros");
    v("order", order, "conv, norm and act, each once");
  }
};

/// Convolution, normalisation and activation in the order that it is told, as one operation where
/// possible. Children as in MMCV: "conv"; "bn", "gn", "ln" or "in"; "activate".
class ConvModule : public Module {
 public:
  explicit ConvModule(const ConvModuleOptions& options);

  /// Without the activation where `activate` is false.
  Variable forward(const Variable& x, bool activate = true);
  /// Kaiming normal (fan out) for a convolution without a rule of its own, bias 0; norm 1 and 0.
  void init_weights(Philox& random) override;

  ConvLayer& conv;

 private:
  enum class Step { Conv, Norm, Act };

  std::vector<Step> steps_;  // without those that there are none of
  Norm* norm_ = nullptr;
  Activation* activate_ = nullptr;
  double slope_ = 0;  // of a leaky ReLU
};

/// MMCV's options of a DepthwiseSeparableConvModule. A missing dw_ or pw_ config is norm_cfg or
/// act_cfg.
struct DepthwiseSeparableConvModuleOptions {
  ConvModuleOptions conv = {};  ///< Without groups.
  std::optional<std::optional<NormOptions>> dw_norm_cfg = {}, pw_norm_cfg = {};
  std::optional<Config> dw_act_cfg = {}, pw_act_cfg = {};
};

/// A convolution of each channel by itself and one of each pixel by itself, each with norm and
/// activation (Howard et al. 2017). Children "depthwise_conv" and "pointwise_conv".
class DepthwiseSeparableConvModule : public Module {
 public:
  explicit DepthwiseSeparableConvModule(const DepthwiseSeparableConvModuleOptions& options);
  Variable forward(const Variable& x);

  ConvModule& depthwise_conv;
  ConvModule& pointwise_conv;
};

}  // namespace kestrel
