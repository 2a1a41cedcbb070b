#pragma once

#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <string_view>

#include <kestrel/engine/hooks/text_logger_hook.h>
#include <kestrel/kernels/log.h>

namespace kestrel {

/// Keeps train.log: what a run says, and what is warned of while this lives, with date and time,
/// beside handing it on to where it went before. Safe to use from several threads.
///
///   2026-11-22 10:31:07 INFO data: 205 training images, 87 validation images, 3 classes
///   2026-11-22 10:31:08 WARNING [image] a.jpg: the JPEG ends too early
class RunLog {
 public:
  explicit RunLog(LogSink console);
  ~RunLog();
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;

  /// Begins the file, or goes on at its end; what was said before comes first. Throws DataError.
  void open(const std::filesystem::path& file, bool append);
  /// Where the run's text goes.
  const LogSink& sink() const { return sink_; }
  /// A line for the file alone, of a kind such as "ERROR": what ends a run is shown by whoever
  /// catches it.
  void add(std::string_view kind, std::string_view text);

 private:
  LogSink console_, sink_;
  WarningSink previous_;
  std::mutex mutex_;
  std::ofstream file_;
  std::string early_;  // before the file was opened
};

}  // namespace kestrel
