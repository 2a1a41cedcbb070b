#include <kestrel/engine/hooks/logger_hook.h>

#include <kestrel/engine/hooks/text_logger_hook.h>
#include <kestrel/kernels/error.h>

namespace kestrel {

LoggerHook::LoggerHook(const LoggerOptions& options, const HookContext& context)
    : interval_(options.interval.value_or(context.log_interval)) {
  if (interval_ < 1) {
    fail<UsageError>("[log_config] interval has to be at least 1, got ", interval_);
  }
}

void LoggerHook::start_interval() {
  losses_.reset();
  iters_ = 0;
  data_seconds_ = 0;
  start_ = std::chrono::steady_clock::now();
}

void LoggerHook::before_epoch(Runner&) {
  start_interval();
}

void LoggerHook::after_iter(Runner& runner) {
  losses_.add(runner.result());
  data_seconds_ += runner.data_seconds();
  ++iters_;
  if (!runner.ends_interval(interval_)) return;
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
  const auto iters = static_cast<double>(iters_);
  HistoryRecord record{.mode = "train",
                       .epoch = runner.epoch() + 1,
                       .iter = runner.iter() + 1,
                       .iters_per_epoch = runner.epoch_length(),
                       .values = {{"lr", runner.lr}}};
  for (const auto& mean : losses_.means()) record.values.push_back(mean);
  if (runner.grad_norm > 0) record.values.emplace_back("grad_norm", runner.grad_norm);
  record.values.emplace_back("time", elapsed.count() / iters);
  record.values.emplace_back("data_time", data_seconds_ / iters);
  record.values.emplace_back("memory", static_cast<double>(resident_megabytes()));
  write(record);
  start_interval();
}

void LoggerHook::after_epoch(Runner& runner) {
  if (runner.metrics.empty()) return;  // not evaluated in this epoch
  write({.mode = "val",
         .epoch = runner.epoch() + 1,
         .iter = (runner.epoch() + 1) * runner.epoch_length(),
         .iters_per_epoch = runner.epoch_length(),
         .values = runner.metrics});
}

}  // namespace kestrel
