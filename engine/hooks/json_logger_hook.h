#pragma once

#include <filesystem>

#include <kestrel/engine/hooks/hook_context.h>
#include <kestrel/engine/hooks/logger_hook.h>

namespace kestrel {

/// Appends to metrics.jsonl, a JSON object in a line per record (training_history.h). A run that
/// continues keeps the lines up to where it continues from.
class JsonLoggerHook final : public LoggerHook {
 public:
  JsonLoggerHook(const LoggerOptions& options, const HookContext& context);

  void before_run(Runner& runner) override;

 private:
  void write(const HistoryRecord& record) override;

  std::filesystem::path file_;
};

}  // namespace kestrel
