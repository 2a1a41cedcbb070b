#pragma once

#include <vector>

#include <kestrel/detection/heads/dense_head.h>
#include <kestrel/detection/structures.h>
#include <kestrel/layers/module.h>

namespace kestrel {

/// A whole detector: what the trainer trains and Detector runs.
class BaseDetector : public Module {
 public:
  /// Losses of a batch, differentiable; the module should be in training mode.
  virtual Losses losses(const Batch& batch) = 0;
  /// Detections of each image, without gradients; the module should be in evaluation mode. With
  /// `rescale` boxes are in pixels of the original images, else of the network's input.
  virtual std::vector<Detections> predict(const Batch& batch, bool rescale = true) = 0;
};

}  // namespace kestrel
