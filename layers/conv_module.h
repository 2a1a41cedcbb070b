#pragma once

#include <optional>

#include <kestrel/layers/conv2d.h>

namespace kestrel {

struct ConvModuleOptions {
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t kernel_size = 1;
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
  std::optional<bool> bias;             ///< Default: a bias exactly where there is no norm.
  std::optional<NormOptions> norm_cfg;  ///< None: no normalisation.
  bool relu = true;                     ///< act_cfg: ReLU or none.
};

/// Convolution, normalisation, activation, in that order, as one operation where possible.
/// Children: "conv" and "bn" or "gn".
class ConvModule : public Module {
 public:
  explicit ConvModule(const ConvModuleOptions& options);

  Variable forward(const Variable& x);
  /// Kaiming normal (fan out) for the convolution, bias 0; norm 1 and 0.
  void init_weights(Philox& random) override;

  Conv2d& conv;

 private:
  Norm* norm_ = nullptr;
  bool relu_ = true;
};

}  // namespace kestrel
