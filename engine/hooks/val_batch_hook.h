#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include <kestrel/engine/hooks/hook_context.h>
#include <kestrel/engine/hooks/plot_hook.h>
#include <kestrel/engine/records/pictures.h>

namespace kestrel {

struct ValBatchOptions {
  int64_t num_batches = 2;
  int64_t batch_size = 12;
  double min_score = 0.3;

  template <class V>
  void visit(V& v) {
    v("num_batches", num_batches, "sheets of each kind");
    v("batch_size", batch_size, "images on a sheet");
    v("min_score", min_score, "detections that are shown");
  }
};

/// Shows what the model sees: val_batch<N>_labels.jpg before the run and val_batch<N>_pred.jpg
/// after evaluations, the same images side by side, taken at equal distances from all of the
/// validation set.
class ValBatchHook final : public PlotHook {
 public:
  ValBatchHook(const ValBatchOptions& options, const HookContext& context);

  void before_run(Runner& runner) override;

 private:
  using BoxesOf = std::function<std::vector<DrawnBox>(int64_t index)>;

  void draw(const Runner& runner) override;
  /// val_batch<N>_<kind>.jpg for all N.
  void write_sheets(const char* kind, const BoxesOf& boxes_of) const;

  ValBatchOptions options_;
  std::filesystem::path folder_;
  const Dataset* dataset_;
  const Evaluation* evaluation_;
  std::vector<int64_t> shown_;  ///< Indices of images, sheet by sheet.
};

}  // namespace kestrel
