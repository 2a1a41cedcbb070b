#pragma once

#include <cstdint>
#include <filesystem>

#include <kestrel/data/transforms/normalize.h>
#include <kestrel/engine/hooks/hook_context.h>

namespace kestrel {

/// Draws labels.png before the run: what is annotated in the training set.
class LabelStatisticsHook final : public Hook {
 public:
  LabelStatisticsHook(const NoOptions& options, const HookContext& context);

  void before_run(Runner& runner) override;

 private:
  std::filesystem::path file_;
  const Dataset* dataset_;
};

struct TrainBatchOptions {
  int64_t num_batches = 3;

  template <class V>
  void visit(V& v) {
    v("num_batches", num_batches, "how many batches are drawn");
  }
};

/// Writes train_batch<N>.jpg for the first batches of a run: what the network is given, after
/// augmentation, with boxes and names. VeryLow.
class TrainBatchHook final : public Hook {
 public:
  TrainBatchHook(const TrainBatchOptions& options, const HookContext& context);

  void before_iter(Runner& runner) override;

 private:
  TrainBatchOptions options_;
  std::filesystem::path folder_;
  const DetectionTask* task_;
  const Dataset* dataset_;
  NormalizeOptions normalization_;
};

}  // namespace kestrel
