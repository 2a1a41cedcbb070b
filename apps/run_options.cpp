#include "run_options.h"

#include <cstdio>
#include <filesystem>

#include <kestrel/kernels/parallel.h>

#include "program.h"

namespace kestrel::apps {

void add_run_options(CLI::App& app, RunOptions& o) {
  app.add_option("--out", o.out, "folder for weights, logs and pictures [runs/<name>N]");
  app.add_option("--weights", o.weights, "weights to start from (.safetensors)")
      ->check(CLI::ExistingFile);
  app.add_option("--device", o.device, "cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--seed", o.seed, "equal seeds give equal weights")->capture_default_str();
  app.add_option("--threads", o.threads, "CPU threads of the network; 0: all cores")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--max-iters", o.max_iters, "stop after so many iterations; 0: run all epochs")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_flag("--amp", o.amp, "convolutions in bfloat16: for processors with AMX");
  app.add_flag("--overfit-batch", o.overfit_batch,
               "train on the first batch alone: the losses must fall to nothing");
  app.add_flag("--dry-run", o.dry_run, "build everything, run one step, save nothing");
  app.add_option("--set", o.overrides, "change the config: a.b.c=value ...")->take_all();
}

Device parse_device(const std::string& name) {
  if (name == "cpu") return Device::cpu();
  int index = 0;
  const bool plain = name == "cuda";
  if (!plain && std::sscanf(name.c_str(), "cuda:%d", &index) != 1) {
    fail<UsageError>("--device must be cpu, cuda or cuda:N, got '", name, "'");
  }
  if (index < 0 || index >= Device::cuda_count()) {
    fail<UsageError>("--device ", name, ": this build of Kestrel sees ", Device::cuda_count(),
                     " CUDA devices; use --device cpu");
  }
  return Device::cuda(index);
}

void use_threads(int64_t threads) {
  if (threads > 0) set_num_threads(static_cast<int>(threads));
}

void run_training(const Config& config, const RunOptions& o) {
  use_threads(o.threads);
  TrainOptions options{.out = o.out,
                       .seed = o.seed,
                       .device = parse_device(o.device),
                       .amp = o.amp,
                       .overfit_batch = o.overfit_batch,
                       .max_iters = o.max_iters,
                       .log = console_log()};
  if (!o.weights.empty()) options.weights = o.weights;
  if (o.dry_run) {
    options.log.line(dry_run(config, options));
    return;
  }
  options.log.line("writing to " + o.out);
  const TrainSummary summary = train_detector(config, options);
  std::string text = "done in " + duration_text(summary.seconds) + ": " + summary.last.string() +
                     ", weights hash " + summary.weights_hash;
  options.log.line(text);
}

}  // namespace kestrel::apps
