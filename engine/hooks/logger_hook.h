#pragma once

#include <chrono>
#include <optional>

#include <kestrel/engine/hooks/hook_context.h>
#include <kestrel/engine/hooks/mean_losses.h>
#include <kestrel/engine/records/training_history.h>

namespace kestrel {

struct LoggerOptions {
  std::optional<int64_t> interval = {};

  template <class V>
  void visit(V& v) {
    v("interval", interval, "iterations between records; null: that of log_config");
  }
};

/// Collects what loggers write: a record of mode "train" at the end of every interval (see
/// Runner::ends_interval), one of mode "val" after every evaluation. Values of a training record,
/// means since the record before: lr (the current one), the losses, grad_norm (of the last
/// iteration, where gradients are clipped), time and data_time (seconds per iteration, and waiting
/// for data of it), memory (resident megabytes). VeryLow.
class LoggerHook : public Hook {
 public:
  /// Throws UsageError for an interval below 1.
  LoggerHook(const LoggerOptions& options, const HookContext& context);

  void before_epoch(Runner& runner) override;
  void after_iter(Runner& runner) override;
  void after_epoch(Runner& runner) override;

 protected:
  virtual void write(const HistoryRecord& record) = 0;

 private:
  void start_interval();

  int64_t interval_;
  MeanLosses losses_;
  int64_t iters_ = 0;
  double data_seconds_ = 0;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace kestrel
