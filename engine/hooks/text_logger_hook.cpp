#include <kestrel/engine/hooks/text_logger_hook.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <unistd.h>

#include <kestrel/engine/hooks/hook_context.h>
#include <kestrel/engine/seconds_since.h>

namespace kestrel {
namespace {

const bool kTextRegistered = register_hook<TextLoggerOptions>(
    "TextLoggerHook", "a line of text every so many iterations",
    [](const Config& node, const HookContext& context) {
      const TextLoggerOptions defaults{.interval = context.log_interval};
      return std::make_unique<TextLoggerHook>(
          context.log, read_options<TextLoggerOptions>(node, defaults, {"type"}));
    });

constexpr std::chrono::milliseconds kProgressInterval{200};

}  // namespace

std::string duration_text(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "?";
  const int64_t s = std::llround(seconds);
  const std::string clock = fmt::format("{}:{:02}:{:02}", s / 3600 % 24, s / 60 % 60, s % 60);
  const int64_t days = s / 86400;
  return days == 0 ? clock : fmt::format("{} day{}, {}", days, days == 1 ? "" : "s", clock);
}

int64_t resident_megabytes() {
  std::ifstream file("/proc/self/statm");
  int64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE) / (1 << 20);
}

TextLoggerHook::TextLoggerHook(LogSink sink, const TextLoggerOptions& options)
    : sink_(std::move(sink)), options_(options) {
  if (options.interval < 1) {
    fail<UsageError>("[log_config] interval has to be at least 1, got ", options.interval);
  }
}

void TextLoggerHook::start_interval() {
  losses_.reset();
  data_seconds_ = 0;
  interval_start_ = Clock::now();
}

void TextLoggerHook::before_run(Runner&) {
  run_iters_ = 0;
  run_seconds_ = 0;
}

void TextLoggerHook::before_epoch(Runner&) {
  epoch_start_ = Clock::now();
  start_interval();
}

void TextLoggerHook::after_iter(Runner& runner) {
  losses_.add(runner.result());
  data_seconds_ += runner.data_seconds();
  grad_norm_ = runner.grad_norm;
  ++run_iters_;
  const bool last = runner.is_last_iter_of_epoch();
  if (sink_.progress) {
    if (last || Clock::now() - last_progress_ >= kProgressInterval) {
      sink_.progress(train_text(runner));
      last_progress_ = Clock::now();
    }
    if (!last) return;
    sink_.progress("");
  }
  if (runner.ends_interval(options_.interval)) {
    if (sink_.line) sink_.line(train_text(runner));
    start_interval();
  }
  if (last) run_seconds_ += seconds_since(epoch_start_);
}

std::string TextLoggerHook::train_text(const Runner& runner) const {
  const double seconds = std::max(seconds_since(interval_start_), 1e-9);
  const double trained = run_seconds_ + seconds_since(epoch_start_);
  const auto left = static_cast<double>(runner.max_iters() - runner.iter() - 1);
  std::string text = fmt::format(
      "Epoch [{}/{}][{}/{}] lr: {:.3e}, {:.1f} img/s, eta: {}, data: {:.0f}%, memory: {} MB",
      runner.epoch() + 1, runner.max_epochs(), runner.inner_iter() + 1, runner.epoch_length(),
      runner.lr, static_cast<double>(losses_.samples()) / seconds,
      duration_text(trained / static_cast<double>(run_iters_) * left),
      std::min(100.0, 100 * data_seconds_ / seconds), resident_megabytes());
  for (const auto& [name, value] : losses_.means()) {
    fmt::format_to(std::back_inserter(text), ", {}: {:.4f}", name, value);
  }
  if (grad_norm_ > 0) fmt::format_to(std::back_inserter(text), ", grad_norm: {:.3f}", grad_norm_);
  return text;
}

void TextLoggerHook::after_epoch(Runner& runner) {
  if (runner.metrics.empty() || !sink_.line) return;
  std::string text = fmt::format("Epoch [{}/{}]", runner.epoch() + 1, runner.max_epochs());
  const char* separator = " ";
  for (const auto& [name, value] : runner.metrics) {
    fmt::format_to(std::back_inserter(text), "{}{}: {:.4f}", separator, name, value);
    separator = ", ";
  }
  sink_.line(text);
}

void TextLoggerHook::after_run(Runner&) {
  if (sink_.progress) sink_.progress("");
}

}  // namespace kestrel
