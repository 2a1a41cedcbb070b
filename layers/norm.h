#pragma once

#include <memory>
#include <optional>
#include <string>

#include <kestrel/layers/module.h>
#include <kestrel/registry/config.h>

namespace kestrel {

/// A normalisation layer, with what usually follows it: relu?(norm(x) + residual).
class Norm : public Module {
 public:
  static constexpr const char* kKind = "norm layer";

  /// x (N, H, W, C); residual shaped like x, or undefined.
  virtual Variable forward(const Variable& x, bool relu = false, const Variable& residual = {}) = 0;
  /// What MMCV calls it inside a module: "bn", "gn", "ln", "in".
  virtual std::string abbreviation() const { return "norm_layer"; }
  void init_weights(Philox& random) override;

 protected:
  /// Norms that are not told otherwise: weight 1 and bias 0 where they have them.
  Norm() = default;
};

/// Which normalisation a layer has; MMDetection's norm_cfg: BN (SyncBN is the same here, where a
/// process has one device), GN, LN or IN, or what a plug-in registered as
/// Registration<Norm, ..., int64_t>, which is given the channels.
struct NormOptions {
  std::string type = "BN";
  bool requires_grad = true;
  double eps = 1e-5;
  double momentum = 0.1;
  int64_t num_groups = 32;
  bool affine = false;
  Config own = {};  ///< All settings of a plug-in's norm.

  template <class V>
  void visit(V& v) {
    v("type", type, "which norm layer");
    v("requires_grad", requires_grad, "whether weight and bias are trained");
    v("eps", eps, "added to the variance");
    v("momentum", momentum, "BN: weight of the new batch in the running statistics");
    v("num_groups", num_groups, "GN: groups of channels");
    v("affine", affine, "IN: whether it has weight and bias, as all others do");
  }
  void read(const Config& node);
  Config write() const;
};

/// Batch normalisation over N, H, W. In training the batch's own statistics are used; in
/// evaluation, or with frozen statistics, the running ones.
class BatchNorm2d : public Norm {
 public:
  explicit BatchNorm2d(int64_t channels, const NormOptions& options = {});

  Variable forward(const Variable& x, bool relu = false, const Variable& residual = {}) override;
  std::string abbreviation() const override { return "bn"; }

  /// Whether forward uses the running statistics and so could be folded into a convolution.
  bool uses_running_stats() const { return !training(); }

  Variable& weight;
  Variable& bias;
  Tensor& running_mean;
  Tensor& running_var;
  double eps() const { return options_.eps; }

 private:
  NormOptions options_;
};

class GroupNorm : public Norm {
 public:
  explicit GroupNorm(int64_t channels, const NormOptions& options = {.type = "GN"});

  Variable forward(const Variable& x, bool relu = false, const Variable& residual = {}) override;
  std::string abbreviation() const override { return "gn"; }

  Variable& weight;
  Variable& bias;

 private:
  NormOptions options_;
};

/// The channels of every pixel.
class LayerNorm : public Norm {
 public:
  explicit LayerNorm(int64_t channels, const NormOptions& options = {.type = "LN"});

  Variable forward(const Variable& x, bool relu = false, const Variable& residual = {}) override;
  std::string abbreviation() const override { return "ln"; }

  Variable& weight;
  Variable& bias;

 private:
  NormOptions options_;
};

/// Every channel of every image.
class InstanceNorm2d : public Norm {
 public:
  explicit InstanceNorm2d(int64_t channels, const NormOptions& options = {.type = "IN"});

  Variable forward(const Variable& x, bool relu = false, const Variable& residual = {}) override;
  std::string abbreviation() const override { return "in"; }

  Variable& weight;
  Variable& bias;

 private:
  NormOptions options_;
};

/// The layer that the options describe; throws UsageError for an unknown type.
std::unique_ptr<Norm> make_norm(int64_t channels, const NormOptions& options);

}  // namespace kestrel
