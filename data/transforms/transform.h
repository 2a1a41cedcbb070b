#pragma once

#include <kestrel/data/transforms/sample.h>
#include <kestrel/tensor/random.h>

namespace kestrel {

/// One step from an image file to the network's input.
class Transform {
 public:
  static constexpr const char* kKind = "transform";

  virtual ~Transform() = default;
  /// Changes the sample, drawing what is random from `random`. False where nothing of use is left
  /// (a crop without objects): the loader then takes another sample.
  virtual bool apply(Sample& sample, Philox& random) const = 0;
};

}  // namespace kestrel
