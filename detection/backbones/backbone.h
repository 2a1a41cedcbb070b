#pragma once

#include <cstdint>
#include <vector>

#include <kestrel/layers/module.h>

namespace kestrel {

/// Turns images into feature maps of several strides.
class Backbone : public Module {
 public:
  static constexpr const char* kKind = "backbone";

  /// images (N, H, W, 3) to one map (N, H / stride, W / stride, C) per output level.
  virtual std::vector<Variable> forward(const Variable& images) = 0;
  /// C of each output level.
  virtual std::vector<int64_t> out_channels() const = 0;

  /// Outputs before this level may be undefined: nobody looks at them, and without gradients their
  /// memory is free sooner.
  size_t first_needed = 0;
};

}  // namespace kestrel
