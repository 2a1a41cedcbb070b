#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <kestrel/engine/train.h>

namespace kestrel::apps {

/// Options that every program that trains has.
struct RunOptions {
  std::string out;
  std::string weights;
  std::string device = "cpu";
  uint64_t seed = 0;
  int64_t threads = 0;
  int64_t max_iters = 0;
  bool amp = false;
  bool overfit_batch = false;
  bool dry_run = false;
  std::vector<std::string> overrides;
};

void add_run_options(CLI::App& app, RunOptions& options);

/// Applies --threads, and trains, or only tries where --dry-run is given; prints how it went.
void run_training(const Config& config, const RunOptions& options);

/// "cpu", "cuda" or "cuda:N"; UsageError for another name or an absent device.
Device parse_device(const std::string& name);
void use_threads(int64_t threads);

}  // namespace kestrel::apps
