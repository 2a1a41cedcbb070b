#include <kestrel/engine/run_config.h>

#include <kestrel/registry/options.h>

namespace kestrel {
namespace {

void refuse_unsupported(const RunConfig& config) {
  const auto is_text_logger = [](const Config& hook) {
    return hook.is_map() && hook.contains("type") &&
           hook.at("type").as_string() == "TextLoggerHook";
  };
  if (config.runner.type != "EpochBasedRunner") {
    fail<UsageError>("[train] runner.type must be EpochBasedRunner, got ", config.runner.type);
  }
  if (config.log_config.hooks.is_null()) return;
  for (const Config& hook : config.log_config.hooks.items()) {
    if (!is_text_logger(hook)) hook.fail("only {type: TextLoggerHook} is there");
  }
}

}  // namespace

RunConfig read_run_config(const Config& config) {
  RunConfig result = read_options<RunConfig>(config);
  refuse_unsupported(result);
  return result;
}

}  // namespace kestrel
