#pragma once

#include <string>
#include <utility>
#include <vector>

#include <kestrel/detection/structures.h>
#include <kestrel/layers/module.h>

namespace kestrel {

/// Named losses, each a scalar; what is minimised is their sum.
using Losses = std::vector<std::pair<std::string, Variable>>;

/// Raw predictions of a dense head, one entry per pyramid level.
struct HeadOutputs {
  std::vector<Variable> cls_scores;  ///< (N, H, W, A * C) logits.
  std::vector<Variable> bbox_preds;  ///< (N, H, W, A * 4) deltas.
};

/// Predicts at every cell of every pyramid level.
class DenseHead : public Module {
 public:
  static constexpr const char* kKind = "dense head";

  virtual HeadOutputs forward(const std::vector<Variable>& levels) = 0;
  /// Losses of a batch; the targets are on the outputs' device. Nothing is read back from there.
  virtual Losses loss(const HeadOutputs& outputs, const TargetTensors& targets) = 0;
  /// The same from host data, one entry per image. Throws DataError for a label outside
  /// [0, num_classes()).
  Losses loss(const HeadOutputs& outputs, const std::vector<GroundTruth>& truths,
              const std::vector<ImageMeta>& metas);
  virtual int64_t num_classes() const = 0;
  /// Detections of each image; with `rescale` in pixels of the original image, else of the input.
  virtual std::vector<Detections> predict(const HeadOutputs& outputs,
                                          const std::vector<ImageMeta>& metas, bool rescale) = 0;
};

}  // namespace kestrel
