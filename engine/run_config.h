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
    v("samples_per_gpu", samples_per_gpu);
    v("workers_per_gpu", workers_per_gpu);
    v("train", train);
    v("val", val);
    v("test", test);
  }
};

struct RunnerConfig {
  std::string type = "EpochBasedRunner";
  int64_t max_epochs = 12;

  template <class V>
  void visit(V& v) {
    v("type", type);
    v("max_epochs", max_epochs);
  }
};

struct LogConfig {
  int64_t interval = 50;
  Config hooks;

  template <class V>
  void visit(V& v) {
    v("interval", interval);
    v("hooks", hooks);
  }
};

/// MMDetection's way to say for how many images per step the learning rate is meant.
struct AutoScaleLr {
  bool enable = false;  ///< Multiplies it by the images of a step over base_batch_size.
  int64_t base_batch_size = 16;

  template <class V>
  void visit(V& v) {
    v("enable", enable);
    v("base_batch_size", base_batch_size);
  }
};

/// The top level of a config file.
struct RunConfig {
  Config model;
  DataConfig data;
  Config optimizer;
  OptimizerHookOptions optimizer_config;
  Config lr_config;
  AutoScaleLr auto_scale_lr;
  RunnerConfig runner;
  EvalOptions evaluation;
  CheckpointOptions checkpoint_config;
  LogConfig log_config;
  Config default_hooks;
  Config custom_hooks;
  Config load_from;
  Config resume_from;

  template <class V>
  void visit(V& v) {
    v("model", model);
    v("data", data);
    v("optimizer", optimizer);
    v("optimizer_config", optimizer_config);
    v("lr_config", lr_config);
    v("auto_scale_lr", auto_scale_lr);
    v("runner", runner);
    v("evaluation", evaluation);
    v("checkpoint_config", checkpoint_config);
    v("log_config", log_config);
    v("default_hooks", default_hooks);
    v("custom_hooks", custom_hooks);
    v("load_from", load_from);
    v("resume_from", resume_from);
  }
};

/// Reads a resolved config. Throws UsageError for what a run could not give: silence would pass for
/// consent.
RunConfig read_run_config(const Config& config);

}  // namespace kestrel
