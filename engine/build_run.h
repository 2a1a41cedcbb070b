#pragma once

#include <memory>
#include <string>
#include <vector>

#include <kestrel/data/build_dataset.h>
#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/engine/detection_task.h>
#include <kestrel/engine/hooks/ema_hook.h>
#include <kestrel/engine/optimizers/optimizer.h>
#include <kestrel/engine/run_config.h>
#include <kestrel/engine/train.h>

namespace kestrel {

/// What is trained, on what, by which optimizer.
struct Run {
  RunConfig config;
  ConfiguredDataset train;
  ConfiguredDataset val;
  std::unique_ptr<BaseDetector> model;
  std::unique_ptr<DetectionTask> task;
  std::unique_ptr<Optimizer> optimizer;
  std::vector<std::shared_ptr<Hook>> custom_hooks;
  EmaHook* ema = nullptr;  ///< Among custom_hooks, if there is one.
};

/// Builds what a resolved config describes, with initial or loaded weights, and tells options.log
/// the sizes. Throws UsageError, DataError or ModelFileError.
Run build_run(const Config& config, const TrainOptions& options);

/// A line to options.log.
void say(const TrainOptions& options, const std::string& text);

}  // namespace kestrel
