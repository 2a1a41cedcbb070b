#pragma once

#include <string>

#include <kestrel/engine/hooks/checkpoint_hook.h>
#include <kestrel/engine/hooks/eval_hook.h>
#include <kestrel/engine/hooks/optimizer_hook.h>
#include <kestrel/registry/config.h>

namespace kestrel {

struct DataConfig {
  int64_t samples_per_gpu = 2;
  int64_t workers_per_gpu = 2;
  Config train;
  Config val;
  Config test;

  template <class V>
  void visit(V& v) {
    v("samples_per_gpu", samples_per_gpu, "images of a batch");
    v("workers_per_gpu", workers_per_gpu, "threads that read images");
    v("train", train, "the data set for training");
    v("val", val, "the data set for evaluations");
    v("test", test, "the data set for tests");
  }
};

struct RunnerConfig {
  std::string type = "EpochBasedRunner";
  int64_t max_epochs = 12;

  template <class V>
  void visit(V& v) {
    v("type", type, "EpochBasedRunner");
    v("max_epochs", max_epochs, "how many epochs are trained");
  }
};

struct LogConfig {
  int64_t interval = 50;
  Config hooks;

  template <class V>
  void visit(V& v) {
    v("interval", interval, "iterations between records");
    v("hooks", hooks, "the loggers");
  }
};

/// The top level of a config file.
struct RunConfig {
  Config model;
  DataConfig data;
  Config optimizer;
  OptimizerHookOptions optimizer_config;
  Config lr_config;
  Config momentum_config;
  RunnerConfig runner;
  EvalOptions evaluation;
  CheckpointOptions checkpoint_config;
  LogConfig log_config;
  Config default_hooks;
  Config custom_hooks;
  Config custom_imports;
  Config load_from;
  Config resume_from;

  template <class V>
  void visit(V& v) {
    v("model", model, "the detector");
    v("data", data, "data sets and batches");
    v("optimizer", optimizer, "the optimizer");
    v("optimizer_config", optimizer_config, "clipping and accumulation of gradients");
    v("lr_config", lr_config, "the schedule");
    v("momentum_config", momentum_config, "the schedule of the momentum; null: it stays");
    v("runner", runner, "how long");
    v("evaluation", evaluation, "evaluations during training");
    v("checkpoint_config", checkpoint_config, "checkpoints during training");
    v("log_config", log_config, "the loggers");
    v("default_hooks", default_hooks, "pictures, by name");
    v("custom_hooks", custom_hooks, "further hooks");
    v("custom_imports", custom_imports, "plug-ins: {imports: [libmine.so]}");
    v("load_from", load_from, "weights to start from");
    v("resume_from", resume_from, "not used: --resume");
  }
};

/// The config without what MMDetection's files hold beside the settings of a run: top-level names
/// that a Python file only uses itself (Config::is_variable), and settings of MMDetection's process
/// that mean nothing here (dist_params, log_level, opencv_num_threads, mp_start_method,
/// cudnn_benchmark, find_unused_parameters; workflow and auto_scale_lr where they ask for nothing;
/// fp16, with a warning).
Config without_variables(const Config& config);

/// Reads a resolved config. Throws UsageError for what a run could not give: silence would pass for
/// consent.
RunConfig read_run_config(const Config& config);

}  // namespace kestrel
