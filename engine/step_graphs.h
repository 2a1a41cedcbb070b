#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/engine/runner.h>
#include <kestrel/kernels/device.h>

namespace kestrel {

/// Forward and backward passes of a detector as CUDA graphs, one for each shape of a batch: the
/// hundreds of kernels of a step are queued with one call. The first batch of a shape is done as
/// usual, the second is recorded. All graphs share one pool of memory, for one runs at a time.
class StepGraphs {
 public:
  /// Graphs that are kept; batches of more shapes than this are done as usual.
  static constexpr size_t kMaxGraphs = 16;

  /// `forward` computes the losses of a batch, without reading anything back from the device.
  using Forward = std::function<StepResult(const Batch&)>;
  StepGraphs(Module& model, Device device, Forward forward);
  ~StepGraphs();
  StepGraphs(const StepGraphs&) = delete;
  StepGraphs& operator=(const StepGraphs&) = delete;

  /// What forward() gives for a batch on the device, `targets` included; where a graph did it, with
  /// StepResult::differentiate.
  StepResult step(const Batch& batch);
  /// Steps that graphs did.
  int64_t replays() const { return replays_; }

 private:
  struct Entry;

  void record(Entry& entry);
  StepResult replay(Entry& entry, const Batch& batch);

  Module& model_;
  Device device_;
  Forward forward_;
  Stream capture_stream_;
  std::vector<std::unique_ptr<Entry>> entries_;
  int64_t replays_ = 0;
};

}  // namespace kestrel
