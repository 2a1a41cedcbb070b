#pragma once

#include <kestrel/detection/assigners/assigner.h>

namespace kestrel {

/// Chooses the anchors that take part in the loss.
class Sampler {
 public:
  static constexpr const char* kKind = "sampler";

  virtual ~Sampler() = default;
  /// Marks the others as ignored: their entry of assigned becomes -1.
  virtual void sample(AssignResult& assigned) const = 0;
};

}  // namespace kestrel
