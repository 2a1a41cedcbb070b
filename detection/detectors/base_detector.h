#pragma once

#include <vector>

#include <kestrel/detection/heads/dense_head.h>
#include <kestrel/detection/structures.h>
#include <kestrel/layers/module.h>

namespace kestrel {

/// Where the time of predict() went, in milliseconds.
struct PredictTimes {
  double inference = 0;    ///< The network.
  double postprocess = 0;  ///< Decoding, thresholds, NMS.
};

/// A whole detector: what the trainer trains and Detector runs.
class BaseDetector : public Module {
 public:
  static constexpr const char* kKind = "detector";

  /// Losses of a batch, differentiable; the module should be in training mode.
  virtual Losses losses(const Batch& batch) = 0;
  /// Detections of each image, without gradients; the module should be in evaluation mode. With
  /// `rescale` boxes are in pixels of the original images, else of the network's input. Adds to
  /// `times`, where given.
  virtual std::vector<Detections> predict(const Batch& batch, bool rescale = true,
                                          PredictTimes* times = nullptr) = 0;
};

}  // namespace kestrel
