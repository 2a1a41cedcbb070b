#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <kestrel/engine/hooks/text_logger_hook.h>
#include <kestrel/engine/runner.h>
#include <kestrel/registry/config.h>
#include <kestrel/tensor/device.h>

namespace kestrel {

/// What a run needs besides its config.
struct TrainOptions {
  std::filesystem::path out = "runs/train";      ///< Made where absent; files in it are replaced.
  std::optional<std::filesystem::path> weights;  ///< To start from; must fit the model.
  uint64_t seed = 0;
  Device device = Device::cpu();
  bool amp = false;            ///< Convolutions in bfloat16.
  bool overfit_batch = false;  ///< Train on the first batch alone: the loss must go to zero.
  int64_t max_iters = 0;       ///< Stop after so many iterations; 0: run all epochs.
  LogSink log;
};

struct TrainSummary {
  NamedValues metrics;         ///< Of the last evaluation.
  std::filesystem::path last;  ///< Weights after the last epoch.
  std::string weights_hash;    ///< Of all weights: equal hashes mean bit-equal models.
  double seconds = 0;
};

/// Trains the detector that a resolved config (MMDetection's keys: model, data, optimizer,
/// optimizer_config, lr_config, runner, evaluation, checkpoint_config, log_config) describes, from
/// load_from's weights or on from resume_from, where given. Leaves in `out`: config.yaml,
/// results.csv, last and best weights, resume.safetensors, val_*.jpg with labels and predictions.
/// Throws UsageError for a config that cannot be used, DataError for a data set that cannot.
TrainSummary train_detector(const Config& config, const TrainOptions& options);

/// Builds everything that train_detector would, runs one step, saves nothing, and says what it
/// found: sizes of data sets and model, losses, memory.
std::string dry_run(const Config& config, const TrainOptions& options);

}  // namespace kestrel
