#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include <kestrel/data/datasets/dataset.h>
#include <kestrel/data/transforms/pipeline.h>
#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/detection/evaluation/evaluator.h>
#include <kestrel/engine/hooks/eval_hook.h>

namespace kestrel {

struct EvaluateOptions {
  int64_t workers = 2;  ///< Threads that read images.
  bool bfloat16 = false;
  Device device = Device::cpu();
  /// Where set from outside, detect_all returns what it has.
  const std::atomic<bool>* stop = nullptr;
  /// Called after every image with how many are done.
  std::function<void(int64_t done, int64_t total)> progress;
};

/// Throws DataError where no image of a data set can be read, which says where it looked.
void check_readable(const Dataset& dataset);

/// Runs the model, in evaluation mode, over all images of a data set. Images that do not decode are
/// left out with a warning; throws DataError where none does.
std::vector<ImageDetections> detect_all(BaseDetector& model, const Dataset& dataset,
                                        const Pipeline& pipeline,
                                        const EvaluateOptions& options = {});

/// The evaluator that a config's `evaluation` names for a data set: the one of its `evaluator`,
/// else the one that knows its `metric`, else the data set's own. Throws UsageError for a metric
/// that nobody knows.
Config evaluator_config(const EvalOptions& options, const Dataset& dataset);

/// A data set's annotations and who compares detections with them.
class DatasetEvaluation {
 public:
  DatasetEvaluation(const EvalOptions& options, const Dataset& dataset);

  const EvalTruths& truths() const { return *truths_; }
  EvalReport evaluate(const std::vector<ImageDetections>& detections) const {
    return evaluator_->evaluate(detections);
  }

 private:
  std::unique_ptr<EvalTruths> truths_;
  std::unique_ptr<Evaluator> evaluator_;
};

/// Whether masks are evaluated, which data sets keep only where they are told to.
bool evaluates_masks(const EvalOptions& options);

/// Has data sets of a config (data.val, data.test) keep what these metrics need, such as masks.
void keep_what_is_evaluated(const EvalOptions& options, Config& dataset);

}  // namespace kestrel
