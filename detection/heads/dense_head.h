#pragma once

#include <vector>

#include <kestrel/detection/outputs.h>
#include <kestrel/detection/postprocess/candidates.h>
#include <kestrel/detection/predict_clock.h>
#include <kestrel/detection/structures.h>
#include <kestrel/layers/module.h>

namespace kestrel {

/// Predicts at the cells of a pyramid. It is asked for losses or for detections; what it computes
/// in between is its own: a struct of the head (AnchorHead::Outputs), public for its tests.
/// `levels` are the maps (N, H, W, C) of the neck, or of the backbone where there is no neck.
class DenseHead : public Module {
 public:
  static constexpr const char* kKind = "dense head";

  /// Losses of a batch, on the device of the levels. Nothing is read back from there, unless
  /// needs_host_targets().
  virtual Losses losses(const std::vector<Variable>& levels, const Targets& targets) = 0;
  /// Detections of each image; with `rescale` in pixels of the original image, else of the input.
  /// Tells `clock`, where given, when the network is done.
  virtual std::vector<Detections> predict(const std::vector<Variable>& levels,
                                          const std::vector<ImageMeta>& metas, bool rescale,
                                          PredictClock* clock = nullptr) = 0;
  /// The raw predictions by name, in the order of MMDetection's forward().
  virtual std::vector<StageOutput> outputs(const std::vector<Variable>& levels) = 0;
  virtual int64_t num_classes() const = 0;

  /// What suppression would choose from, for each image, in pixels of the original image and not
  /// mirrored: for test-time augmentation. Throws UsageError for a head without such boxes.
  virtual std::vector<Candidates> candidates(const std::vector<Variable>& levels,
                                             const std::vector<ImageMeta>& metas);
  /// Detections from the candidates of one image, however many views of it they are from.
  virtual Detections suppress(const Candidates& candidates) const;

  /// Whether losses() looks at Targets::truths, so that a step cannot be recorded as a CUDA graph.
  virtual bool needs_host_targets() const { return false; }
};

}  // namespace kestrel
