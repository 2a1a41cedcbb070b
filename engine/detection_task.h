#pragma once

#include <deque>
#include <memory>
#include <optional>

#include <kestrel/data/build_dataset.h>
#include <kestrel/data/loader.h>
#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/engine/runner.h>
#include <kestrel/engine/step_graphs.h>

namespace kestrel {

struct DetectionTaskOptions {
  LoaderOptions loader;
  Device device = Device::cpu();
  bool amp = false;
  bool overfit_batch = false;
  bool cuda_graph = false;  ///< Forward and backward as one graph for each shape of a batch.
};

/// Trains a detector on a data set: batches of images of like shape, losses summed.
class DetectionTask final : public TrainTask {
 public:
  DetectionTask(BaseDetector& model, const ConfiguredDataset& data,
                const DetectionTaskOptions& options);

  int64_t epoch_length() const override { return loader_.num_batches(); }
  void begin_epoch(int64_t epoch, int64_t first) override;
  void load_batch() override;
  StepResult forward() override;

  const Loader& loader() const { return loader_; }
  /// The batch that forward() looks at, or one that it looked at so many steps before, up to
  /// StepNumbers::kMaxPending; fewer where there were none.
  const Batch& batch(int64_t steps_ago = 0) const;
  /// Steps that CUDA graphs did.
  int64_t graph_replays() const { return graphs_ ? graphs_->replays() : 0; }
  /// Has forward() look at another one, until the next load_batch().
  void use_batch(Batch batch) { batch_ = std::move(batch); }

 private:
  StepResult losses(const Batch& batch);

  BaseDetector& model_;
  DetectionTaskOptions options_;
  GroupSampler sampler_;
  Loader loader_;
  std::optional<Batch> batch_;
  std::deque<Batch> earlier_;  // newest first
  std::unique_ptr<StepGraphs> graphs_;
};

}  // namespace kestrel
