#pragma once

#include <kestrel/registry/registry.h>
#include <kestrel/tensor/tensor.h>

namespace kestrel {

/// Which ground truth each anchor is to predict.
struct AssignResult {
  Tensor assigned;  ///< (n) int64: -1 ignored, 0 negative, k > 0 ground truth k - 1.
  Tensor max_iou;   ///< (n) float32, best IoU of each anchor.
};

class Assigner {
 public:
  static constexpr const char* kKind = "assigner";

  virtual ~Assigner() = default;
  /// anchors (n, 4) and ground truths (g, 4); `valid` (n) uint8 or undefined: anchors with 0 are
  /// ignored and count for nothing. `ignored` (i, 4) or undefined: boxes of crowds, whose anchors
  /// an assigner may ignore.
  virtual AssignResult assign(const Tensor& anchors, const Tensor& valid, const Tensor& truths,
                              const Tensor& ignored = {}) const = 0;
};

}  // namespace kestrel
