#pragma once

#include <map>
#include <string>
#include <vector>

#include <kestrel/detection/detectors/base_detector.h>

#include "compare.h"

namespace kestrel::parity {

/// The largest difference of each kind.
struct Errors {
  double forward = 0;
  double losses = 0;
  double gradients = 0;  ///< 1 - cosine.
  double lengths = 0;
  double boxes = 0;
  double scores = 0;

  /// To the largest of each of both.
  void widen(const Errors& other) {
    forward = std::max(forward, other.forward);
    losses = std::max(losses, other.losses);
    gradients = std::max(gradients, other.gradients);
    lengths = std::max(lengths, other.lengths);
    boxes = std::max(boxes, other.boxes);
    scores = std::max(scores, other.scores);
  }
};

/// All that a model says of a batch, on the CPU.
struct Answers {
  std::vector<StageOutput> stages;
  std::vector<Detections> found;
  std::map<std::string, double> losses;
  double total = 0;
  std::map<std::string, Tensor> gradients;
};

/// Whether what is called so counts for the total, as in _parse_losses.
bool is_loss(const std::string& name);

/// Runs the model in test mode and in training mode.
Answers ask(BaseDetector& model, const Batch& batch);

/// The same images with every pixel changed by its last bit, up or down.
Batch nudge(const Batch& batch, uint64_t seed);

/// |got - expected| / |expected|.
double relative(double got, double expected);

/// The largest differences between two answers of one model.
Errors difference(const Answers& got, const Answers& expected, const DetectionLimits& limits);

}  // namespace kestrel::parity
