#include <kestrel/engine/records/record_hooks.h>

namespace kestrel {

void add_record_hooks(const RunConfig& config, const HookContext& context, Runner& runner) {
  const auto add = [&](const Config& node) {
    runner.add_hook(build<Hook, const HookContext&>(node, context), Priority::VeryLow);
  };
  if (config.log_config.hooks.is_null()) {
    add(Config::parse("{type: TextLoggerHook}"));
  } else {
    for (const Config& node : config.log_config.hooks.items()) add(node);
  }
  if (config.default_hooks.is_null()) return;
  for (const Config::Entry& entry : config.default_hooks.entries()) {
    if (!entry.value.is_null()) add(entry.value);
  }
}

}  // namespace kestrel
