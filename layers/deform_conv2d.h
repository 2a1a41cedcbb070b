#pragma once

#include <array>
#include <optional>
#include <utility>

#include <kestrel/layers/conv2d.h>
#include <kestrel/layers/module.h>

namespace kestrel {

struct DeformConv2dOptions {
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t kernel_size = 3;
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
  int64_t deform_groups = 1;
  std::optional<bool> bias =
      {};  ///< Default: none in version 1, which cannot have one; one in version 2.

  /// Samples of an output pixel; each is of one deformable group's channels.
  int64_t samples() const { return deform_groups * kernel_size * kernel_size; }
};

/// Deformable convolution, version 1 (Dai et al. 2017), where the caller has the offsets; weight
/// (out, k, k, in / groups). MMCV's DeformConv2d.
class DeformConv2d : public Module {
 public:
  explicit DeformConv2d(const DeformConv2dOptions& options);

  /// x (N, H, W, in) and offset (N, H', W', 2 * deform_groups * k * k) to (N, H', W', out); the
  /// order of the offsets is that of kernels/deform_conv2d.h.
  Variable forward(const Variable& x, const Variable& offset);
  /// Kaiming uniform (fan in).
  void init_weights(Philox& random) override;

  Variable& weight;
  const DeformConv2dOptions& options() const { return options_; }

 private:
  DeformConv2dOptions options_;
};

/// Deformable convolution, version 2 (Zhu et al. 2019): every sample has a factor too. Weight (out,
/// k, k, in / groups), bias (out). MMCV's ModulatedDeformConv2d.
class ModulatedDeformConv2d : public Module {
 public:
  explicit ModulatedDeformConv2d(const DeformConv2dOptions& options);

  /// mask (N, H', W', deform_groups * k * k); the rest as in DeformConv2d.
  Variable forward(const Variable& x, const Variable& offset, const Variable& mask);
  /// Uniform in +-1 / sqrt(in * k * k), whatever the groups; bias 0.
  void init_weights(Philox& random) override;

  Variable& weight;
  Variable& bias;
  const DeformConv2dOptions& options() const { return options_; }

 private:
  DeformConv2dOptions options_;
};

/// What the config of a deformable convolution adds to that of a plain one.
struct DeformGroupsOptions {
  int64_t deform_groups = 1;

  template <class V>
  void visit(V& v) {
    v("deform_groups", deform_groups, "groups of channels with offsets of their own");
    v("deformable_groups", deform_groups, "MMCV's older name of deform_groups");
  }
};

/// A deformable convolution that predicts its offsets from its input, by a convolution of the same
/// geometry named "conv_offset" that starts at zero.
class DeformConvPack : public ConvLayer {
 public:
  bool has_own_init() const override { return true; }
  const DeformConv2dOptions& options() const { return options_; }

 protected:
  /// `values` per sample are predicted.
  DeformConvPack(const DeformConv2dOptions& options, bool with_bias, int64_t values);

  DeformConv2dOptions options_;
  Conv2d& conv_offset_;
};

/// Version 1; at first a plain convolution. MMCV's DeformConv2dPack, "DCN" in configs.
class DeformConv2dPack : public DeformConvPack {
 public:
  explicit DeformConv2dPack(const DeformConv2dOptions& options);
  Variable forward(const Variable& x, const ConvEpilogue& epilogue = {}) override;
  void init_weights(Philox& random) override;
};

/// Version 2: the last third of conv_offset's channels becomes, through a sigmoid, the mask. At
/// first half a plain convolution. MMCV's ModulatedDeformConv2dPack, "DCNv2" in configs.
class ModulatedDeformConv2dPack : public DeformConvPack {
 public:
  explicit ModulatedDeformConv2dPack(const DeformConv2dOptions& options);
  Variable forward(const Variable& x, const ConvEpilogue& epilogue = {}) override;
  void init_weights(Philox& random) override;
};

/// Which of them a config names.
enum class DeformConvType { DCN, DCNv2 };

constexpr auto enum_names(DeformConvType) {
  return std::array{std::pair{DeformConvType::DCN, "DCN"},
                    std::pair{DeformConvType::DCNv2, "DCNv2"}};
}

}  // namespace kestrel
