#pragma once

#include <vector>

#include <kestrel/layers/module.h>

namespace kestrel {

/// Turns a backbone's feature maps into the pyramid that heads look at.
class Neck : public Module {
 public:
  static constexpr const char* kKind = "neck";

  /// Takes the maps, so that it can let go of each as soon as it is used: in an inference they are
  /// most of the memory.
  virtual std::vector<Variable> forward(std::vector<Variable> inputs) = 0;
  /// The first of the inputs that it looks at.
  virtual size_t first_input() const { return 0; }
};

}  // namespace kestrel
