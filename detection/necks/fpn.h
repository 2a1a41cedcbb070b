#pragma once

#include <optional>
#include <string>
#include <vector>

#include <kestrel/detection/necks/neck.h>
#include <kestrel/layers/conv_module.h>
#include <kestrel/registry/config.h>

namespace kestrel {

/// MMDetection's add_extra_convs: a name, or true for on_input and false for none.
struct ExtraConvs {
  std::string source;

  void read(const Config& node);
  Config write() const;
};

/// Options of FPN, named as MMDetection's.
struct FPNOptions {
  std::vector<int64_t> in_channels;
  int64_t out_channels = 256;
  int64_t num_outs = 5;
  int64_t start_level = 0;
  int64_t end_level = -1;
  ExtraConvs add_extra_convs = {};
  bool relu_before_extra_convs = false;
  bool no_norm_on_lateral = false;
  std::optional<NormOptions> norm_cfg;
  Config init_cfg = {};

  template <class V>
  void visit(V& v) {
    v("in_channels", in_channels, "of every backbone level, those below start_level included");
    v("out_channels", out_channels, "channels of all outputs");
    v("num_outs", num_outs, "how many levels come out");
    v("start_level", start_level, "first backbone level used");
    v("end_level", end_level, "one past the last level used; -1: all");
    v("add_extra_convs", add_extra_convs,
      "levels beyond the backbone's: \"\" max pooling; \"on_input\", \"on_lateral\" or "
      "\"on_output\": convolutions on that");
    v("relu_before_extra_convs", relu_before_extra_convs,
      "ReLU before every extra convolution but the first");
    v("no_norm_on_lateral", no_norm_on_lateral, "the 1x1 convolutions have no norm");
    v("norm_cfg", norm_cfg, "the norms; null: none");
    v("init_cfg", init_cfg, "initial weights; null: convolutions Xavier uniform, bias 0");
  }
};

/// Lin et al. 2017, "Feature pyramid networks". Top-down path: nearest upsampling to the exact size
/// of the level below, then addition; 3x3 convolutions after it. torchvision's pyramid for
/// RetinaNet (P6 from P5, ReLU before P7) is add_extra_convs "on_output" with
/// relu_before_extra_convs.
class FPN : public Neck {
 public:
  explicit FPN(const FPNOptions& options);

  /// One map per backbone level in; num_outs maps of out_channels channels out.
  std::vector<Variable> forward(std::vector<Variable> inputs) override;
  size_t first_input() const override { return static_cast<size_t>(options_.start_level); }
  /// By init_cfg.
  void init_weights(Philox& random) override;

 private:
  FPNOptions options_;
  ModuleList<ConvModule>& lateral_convs_;
  ModuleList<ConvModule>& fpn_convs_;
};

}  // namespace kestrel
