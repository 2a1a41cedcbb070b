#pragma once

#include <atomic>
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
  /// Made where absent; holds nothing, or a run whose files are replaced. Empty: runs/<name>N.
  std::filesystem::path out = "runs/train";
  std::string name = "train";                    ///< Of the run, where `out` is empty.
  std::optional<std::filesystem::path> weights;  ///< To start from; must fit the model.
  std::string weights_key;                       ///< One of several sets of weights in that file.
  std::vector<std::string> notes;                ///< Said when the run begins, and in its log.
  uint64_t seed = 0;
  Device device = Device::cpu();
  bool amp = false;             ///< Convolutions in bfloat16.
  bool cuda_graph = false;      ///< Forward and backward as CUDA graphs; with a CUDA device.
  bool overfit_batch = false;   ///< Train on the first batch alone: the loss must go to zero.
  int64_t max_iters = 0;        ///< Stop after so many iterations; 0: run all epochs.
  bool resume = false;          ///< Go on from what is in `out`.
  bool accept_changes = false;  ///< Resume with another number of iterations per epoch, too.
  /// Where set from outside, as by a signal handler, the run saves and ends at the next step.
  const std::atomic<bool>* stop = nullptr;
  LogSink log;
};

struct TrainSummary {
  NamedValues metrics;         ///< Of the last evaluation.
  std::filesystem::path out;   ///< The run's folder.
  std::filesystem::path last;  ///< Weights after the last epoch.
  std::string weights_hash;    ///< Of all weights: equal hashes mean bit-equal models.
  double seconds = 0;
  bool stopped = false;  ///< By TrainOptions::stop, at `position`.
  Position position;
  int64_t graph_replays = 0;  ///< Steps that CUDA graphs did.
};

/// Trains the detector that a resolved config (MMDetection's keys: model, data, optimizer,
/// optimizer_config, lr_config, runner, evaluation, checkpoint_config, log_config, custom_hooks)
/// describes, from load_from's weights or on from resume_from, where given. Leaves in `out`:
/// config.yaml, arguments.yaml, results.csv, weights/ with the last and the best,
/// resume.safetensors, val_*.jpg with labels and predictions. Throws UsageError for a config that
/// cannot be used, DataError for a data set that cannot, ModelFileError for weights that cannot, or
/// that could not be written, NonFiniteLossError, with a dump for replay_step() in `out`, and
/// OutOfMemoryError, saying which batch would fit.
TrainSummary train_detector(const Config& config, const TrainOptions& options);

/// Builds everything that train_detector would, runs one step, saves nothing, and says what it
/// found: sizes of data sets and model, losses, memory.
std::string dry_run(const Config& config, const TrainOptions& options);

}  // namespace kestrel
