#pragma once

#include <span>
#include <vector>

#include <kestrel/detection/outputs.h>
#include <kestrel/detection/predict_clock.h>
#include <kestrel/detection/structures.h>
#include <kestrel/layers/module.h>

namespace kestrel {

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
  /// Detections of the same images from several views of them, each a batch of one size, scale and
  /// mirroring (test-time augmentation), in pixels of the original images. Throws UsageError for a
  /// detector that has no such way.
  virtual std::vector<Detections> predict_views(std::span<const Batch> views);

  /// What the parts of the model give out for a batch, in the order in which they run.
  virtual std::vector<StageOutput> stages(const Batch& batch) = 0;
  virtual int64_t num_classes() const = 0;
  /// Whether losses() looks at Batch::truths or waits for the device, so that a step cannot be
  /// recorded as a CUDA graph.
  virtual bool needs_host_targets() const { return false; }
};

}  // namespace kestrel
