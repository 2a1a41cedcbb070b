#include <kestrel/engine/records/run_log.h>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include <kestrel/kernels/error.h>

namespace kestrel {

RunLog::RunLog(LogSink console) : console_(std::move(console)) {
  sink_.progress = console_.progress;
  sink_.line = [this](std::string_view text) {
    add("INFO", text);
    if (console_.line) console_.line(text);
  };
  previous_ = set_warning_sink({});
  set_warning_sink([this](std::string_view text) {
    add("WARNING", text);
    if (previous_) previous_(text);
  });
}

RunLog::~RunLog() {
  set_warning_sink(previous_);
}

void RunLog::open(const std::filesystem::path& file, bool append) {
  const std::lock_guard lock(mutex_);
  file_.open(file, append ? std::ios::app : std::ios::trunc);
  file_ << early_ << std::flush;
  if (!file_)
    fail<DataError>("[log] ", file.string(), ": cannot be written: ", std::strerror(errno));
  early_.clear();
}

void RunLog::add(std::string_view kind, std::string_view text) {
  const std::lock_guard lock(mutex_);
  const std::string line =
      fmt::format("{:%Y-%m-%d %H:%M:%S} {} {}\n", fmt::localtime(std::time(nullptr)), kind, text);
  if (file_.is_open()) {
    file_ << line << std::flush;
  } else {
    early_ += line;
  }
}

}  // namespace kestrel
