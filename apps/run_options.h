#pragma once

#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <kestrel/engine/checkpoints/resume.h>
#include <kestrel/engine/train.h>

namespace kestrel::apps {

/// What commands say of the config file that they take.
inline constexpr const char* kConfigHelp =
    "configs/.../*.yaml, or a config of MMDetection's in Python (*.py)";

/// Options that every program that trains has.
struct RunOptions {
  std::string out;
  std::string weights;
  std::string key;
  std::optional<std::string> device;
  std::optional<uint64_t> seed;
  int64_t threads = 0;
  int64_t max_iters = 0;
  bool amp = false;
  bool cuda_graph = false;
  bool overfit_batch = false;
  bool dry_run = false;
  bool strict = false;
  std::optional<std::string> batch;
  bool ema = false;
  std::optional<int64_t> patience;
  std::vector<std::string> freeze;
  std::string resume;  ///< A run's folder, kNewestRun, or empty.
  bool accept_changes = false;
  std::vector<std::string> overrides;
  std::vector<std::string> notes;  ///< What is said when the run begins.
};

void add_run_options(CLI::App& app, RunOptions& options);

/// The run that --resume names: without a value the newest one of that name. None without --resume.
/// Goes to the folder where the run began, if it is still there: its config's paths belong there.
/// Throws UsageError if there is nothing to resume.
std::optional<StoredRun> find_stored_run(const RunOptions& options, const std::string& name);

/// Puts --batch, --ema, --patience, --freeze and --set into a config.
void apply_run_options(Config& config, const RunOptions& options);

/// Applies --threads, and trains, or only tries where --dry-run is given; prints how it went. Goes
/// on with `stored` where given: then the config must be its own, or --override be given. Without
/// --out, the folder is runs/<name>N.
void run_training(const Config& config, const RunOptions& options, const std::string& name,
                  const std::optional<StoredRun>& stored);

/// What is wrong with any of a config's data sets stops the run.
void make_data_strict(Config& config);

/// "cpu", "cuda" or "cuda:N"; UsageError for another name or an absent device.
Device parse_device(const std::string& name);
void use_threads(int64_t threads);

}  // namespace kestrel::apps
