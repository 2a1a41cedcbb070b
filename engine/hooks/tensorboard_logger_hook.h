#pragma once

#include <filesystem>
#include <optional>

#include <kestrel/engine/hooks/hook_context.h>
#include <kestrel/engine/hooks/logger_hook.h>
#include <kestrel/engine/records/event_file.h>

namespace kestrel {

/// Writes events.out.tfevents.* for TensorBoard: learning_rate, train/<loss> and the other values
/// of a training record, val/<metric>. Steps are finished iterations. A run that continues begins
/// another file, which takes the place of what the files before have from there on; a new run in
/// the same folder removes them.
class TensorboardLoggerHook final : public LoggerHook {
 public:
  TensorboardLoggerHook(const LoggerOptions& options, const HookContext& context);

  void before_run(Runner& runner) override;

 private:
  void write(const HistoryRecord& record) override;

  std::filesystem::path folder_;
  std::optional<EventFile> file_;
};

}  // namespace kestrel
