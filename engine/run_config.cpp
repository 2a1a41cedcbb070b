#include <kestrel/engine/run_config.h>

#include <kestrel/registry/options.h>

namespace kestrel {
namespace {

void refuse_unsupported(const RunConfig& config) {
  if (config.runner.type != "EpochBasedRunner") {
    fail<UsageError>("[train] runner.type must be EpochBasedRunner, got ", config.runner.type);
  }
}

void scale_lr(RunConfig& config) {
  if (!config.auto_scale_lr.enable) return;
  if (config.auto_scale_lr.base_batch_size < 1) {
    fail<UsageError>("[train] auto_scale_lr.base_batch_size must be positive, got ",
                     config.auto_scale_lr.base_batch_size);
  }
  const double factor = static_cast<double>(config.data.samples_per_gpu) /
                        static_cast<double>(config.auto_scale_lr.base_batch_size);
  config.optimizer.set("lr", config.optimizer.at("lr").as_float() * factor);
}

}  // namespace

RunConfig read_run_config(const Config& config) {
  RunConfig result = read_options<RunConfig>(config);
  refuse_unsupported(result);
  scale_lr(result);
  return result;
}

}  // namespace kestrel
