#include <kestrel/engine/run_config.h>

#include <kestrel/registry/options.h>

namespace kestrel {
namespace {

void refuse_unsupported(const RunConfig& config) {
  if (config.runner.type != "EpochBasedRunner") {
    fail<UsageError>("[train] runner.type must be EpochBasedRunner, got ", config.runner.type);
  }
}

}  // namespace

RunConfig read_run_config(const Config& config) {
  RunConfig result = read_options<RunConfig>(config);
  refuse_unsupported(result);
  return result;
}

}  // namespace kestrel
