#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include <kestrel/data/datasets/dataset.h>
#include <kestrel/data/transforms/pipeline.h>
#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/detection/evaluation/coco_eval.h>

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
/// left out with a warning; throws DataError where none does. Category ids are the data set's own.
std::vector<CocoEvalDetection> detect_all(BaseDetector& model, const Dataset& dataset,
                                          const Pipeline& pipeline,
                                          const EvaluateOptions& options = {});

}  // namespace kestrel
