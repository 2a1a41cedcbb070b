#pragma once

#include <kestrel/engine/hooks/hook_context.h>
#include <kestrel/engine/run_config.h>
#include <kestrel/engine/runner.h>

namespace kestrel {

/// Adds the hooks that keep a run's records: those of log_config.hooks, a list, {type:
/// TextLoggerHook} where it is absent; then those of default_hooks, a map from any name to a hook
/// or to null, which leaves one out that a base names. Throws UsageError for a hook that is not
/// there. VeryLow, in this order.
void add_record_hooks(const RunConfig& config, const HookContext& context, Runner& runner);

}  // namespace kestrel
