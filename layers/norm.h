#pragma once

#include <memory>
#include <string>

#include <kestrel/layers/module.h>

namespace kestrel {

/// A normalisation layer, with what usually follows it: relu?(norm(x) + residual).
class Norm : public Module {
 public:
  /// x (N, H, W, C); residual shaped like x, or undefined.
  virtual Variable forward(const Variable& x, bool relu = false, const Variable& residual = {}) = 0;
};

/// Which normalisation a layer has; MMDetection's norm_cfg.
struct NormOptions {
  std::string type = "BN";
  bool requires_grad = true;
  double eps = 1e-5;
  double momentum = 0.1;
  int64_t num_groups = 32;

  template <class V>
  void visit(V& v) {
    v("type", type, "which norm");
    v("requires_grad", requires_grad, "whether weight and bias are trained");
    v("eps", eps, "added to the variance");
    v("momentum", momentum, "BN: weight of the new batch in the running statistics");
    v("num_groups", num_groups, "GN: groups of channels");
  }
};

/// Batch normalisation over N, H, W. In training the batch's own statistics are used; in
/// evaluation, or with frozen statistics, the running ones.
class BatchNorm2d : public Norm {
 public:
  explicit BatchNorm2d(int64_t channels, const NormOptions& options = {});

  Variable forward(const Variable& x, bool relu = false, const Variable& residual = {}) override;
  void init_weights(Philox& random) override;

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
  void init_weights(Philox& random) override;

  Variable& weight;
  Variable& bias;

 private:
  NormOptions options_;
};

/// The layer that the options describe; throws UsageError for an unknown type.
std::unique_ptr<Norm> make_norm(int64_t channels, const NormOptions& options);
/// The name MMDetection gives it inside a module: "bn" or "gn".
std::string norm_name(const NormOptions& options);

}  // namespace kestrel
