#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include <kestrel/engine/optimizers/optimizer.h>
#include <kestrel/registry/options.h>

namespace kestrel {

enum class GradClipType : uint8_t { Norm, Value };
constexpr auto enum_names(GradClipType) {
  return std::array{std::pair{GradClipType::Norm, "norm"}, std::pair{GradClipType::Value, "value"}};
}

/// 2, 1, another number above 0, or infinity, in configs also "inf".
struct NormType {
  double value = 2;

  static std::string type_text() { return "float or inf"; }
  void read(const Config& node);
  Config write() const { return value; }
};

/// How gradients are kept small: grad_clip of MMDetection's optimizer_config.
struct GradClipOptions {
  GradClipType type = GradClipType::Norm;
  double max_norm =
      35;  ///< norm: scales all gradients so that their norm together is at most this.
  NormType norm_type = {};
  double clip_value = 1;  ///< value: moves every gradient into [-clip_value, clip_value].

  template <class V>
  void visit(V& v) {
    v("type", type, "norm or value");
    v("max_norm", max_norm, "norm: the norm of all gradients together is at most this");
    v("norm_type", norm_type, "norm: 2, another number above 0, or inf");
    v("clip_value", clip_value, "value: every gradient is moved into [-clip_value, clip_value]");
  }
};

/// Throws UsageError for what cannot be done.
void check_grad_clip(const GradClipOptions& options);
/// Clips the gradients of an optimizer's parameters. Returns their norm before, a float64 scalar on
/// their device: the 2-norm where values are clipped.
Tensor clip(Optimizer& optimizer, const GradClipOptions& options);

}  // namespace kestrel
