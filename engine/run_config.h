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
  Config load_from;
  Config resume_from;

  template <class V>
  void visit(V& v) {
    v("model", model);
    v("data", data);
    v("optimizer", optimizer);
    v("optimizer_config", optimizer_config);
    v("lr_config", lr_config);
    v("momentum_config", momentum_config);
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
