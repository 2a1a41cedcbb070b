#pragma once

#include <memory>

#include <kestrel/layers/module.h>
#include <kestrel/layers/norm.h>
#include <kestrel/registry/config.h>

namespace kestrel {

struct Conv2dOptions {
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t kernel_size = 1;
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
  bool bias = true;
};

/// What happens to a convolution's result before it is written: relu?(norm?(y) + residual).
struct ConvEpilogue {
  Norm* norm = nullptr;
  bool relu = false;
  Variable residual;
  /// Nobody reads the residual afterwards: without gradients the result may lie where it was.
  bool residual_is_spare = false;
};

/// A convolution by a config such as {type: DCNv2, deform_groups: 2}: Conv2d (or Conv), ConvWS, DCN
/// and DCNv2 as in MMCV, or what a plug-in registered as
/// Registration<ConvLayer, ..., const Conv2dOptions&>. Weight (out, k, k, in / groups).
class ConvLayer : public Module {
 public:
  static constexpr const char* kKind = "convolution";

  /// x (N, H, W, in) to (N, H', W', out).
  virtual Variable forward(const Variable& x, const ConvEpilogue& epilogue = {}) = 0;
  /// Whether init_weights() is a rule of its own, which a module around it keeps.
  virtual bool has_own_init() const { return false; }

  Variable& weight;
  Variable& bias;  ///< Undefined where there is none.

 protected:
  ConvLayer(Tensor initial_weight, Tensor initial_bias);
};

/// What follows a convolution that cannot do it along the way.
Variable finish(const Variable& y, const ConvEpilogue& epilogue);

/// conv_cfg may be null, for a plain convolution. Throws UsageError for an unknown type.
std::unique_ptr<ConvLayer> make_conv(const Config& conv_cfg, const Conv2dOptions& options);

}  // namespace kestrel
