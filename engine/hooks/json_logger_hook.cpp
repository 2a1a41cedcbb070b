#include <kestrel/engine/hooks/json_logger_hook.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include <kestrel/data/file.h>

namespace kestrel {
namespace {

const HookRegistration<JsonLoggerHook, LoggerOptions> kJson{"JsonLoggerHook",
                                                            "writes metrics.jsonl"};

/// Whether a record was written before the place at which a run begins.
bool is_before(const HistoryRecord& record, const Runner& runner) {
  if (record.iter != runner.iter()) return record.iter < runner.iter();
  // The evaluation of an epoch whose iterations are done may still be ahead.
  return record.mode == "train" || runner.inner_iter() == 0;
}

}  // namespace

JsonLoggerHook::JsonLoggerHook(const LoggerOptions& options, const HookContext& context)
    : LoggerHook(options, context), file_(context.folder / "metrics.jsonl") {}

void JsonLoggerHook::before_run(Runner& runner) {
  std::string kept;
  if (runner.iter() > 0) {
    for (const HistoryRecord& record : read_history(file_)) {
      if (is_before(record, runner)) kept += to_json_line(record);
    }
  }
  write_file("metrics", file_, std::as_bytes(std::span(kept)));
}

void JsonLoggerHook::write(const HistoryRecord& record) {
  std::ofstream out(file_, std::ios::app);
  out << to_json_line(record) << std::flush;
  if (!out) {
    fail<DataError>("[metrics] ", file_.string(), ": cannot be written: ", std::strerror(errno));
  }
}

}  // namespace kestrel
