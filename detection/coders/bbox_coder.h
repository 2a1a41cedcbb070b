#pragma once

#include <kestrel/autograd/variable.h>
#include <kestrel/kernels/box_coder.h>
#include <kestrel/registry/registry.h>

namespace kestrel {

/// What a head regresses in place of boxes. All tensors are (n, 4).
class BBoxCoder {
 public:
  static constexpr const char* kKind = "coder";

  virtual ~BBoxCoder() = default;

  /// The values to regress for boxes assigned to anchors.
  virtual Tensor encode(const Tensor& anchors, const Tensor& boxes) const = 0;
  /// Boxes, not clipped; differentiable by the deltas.
  virtual Variable decode(const Tensor& anchors, const Variable& deltas) const = 0;
  /// Boxes, clipped to an image where the coder's options say so.
  virtual Tensor decode(const Tensor& anchors, const Tensor& deltas, ClipSize image) const = 0;
};

}  // namespace kestrel
