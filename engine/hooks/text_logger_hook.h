#pragma once

#include <chrono>
#include <functional>
#include <string_view>

#include <kestrel/engine/hooks/hook.h>
#include <kestrel/engine/hooks/mean_losses.h>

namespace kestrel {

/// Where log text goes; the library itself never prints.
struct LogSink {
  std::function<void(std::string_view)> line;      ///< One line, without its end.
  std::function<void(std::string_view)> progress;  ///< Replaces the line shown before; "" clears
                                                   ///< it. Set on a terminal only.
};

struct TextLoggerOptions {
  int64_t interval = 50;

  template <class V>
  void visit(V& v) {
    v("interval", interval, "iterations between lines");
  }
};

/// Tells how training goes. On a terminal one progress line, renewed several times a second, and a
/// line per epoch; otherwise a line every `interval` iterations:
///
///   Epoch [1/12][50/7330] lr: 1.978e-03, 23.4 img/s, eta: 1:02:03, data: 3%, memory: 1234 MB,
///   loss_cls: 0.8123, loss_bbox: 0.4222, loss: 1.2345
///   Epoch [1/12] ap: 0.3650, ap50: 0.5540
///
/// Values are means since the line before; data is the share of time spent waiting for it; eta is
/// from the speed of this whole run. VeryLow.
class TextLoggerHook final : public Hook {
 public:
  explicit TextLoggerHook(LogSink sink, const TextLoggerOptions& options = {});

  void before_run(Runner& runner) override;
  void before_epoch(Runner& runner) override;
  void after_iter(Runner& runner) override;
  void after_epoch(Runner& runner) override;
  void after_run(Runner& runner) override;

 private:
  using Clock = std::chrono::steady_clock;

  std::string train_text(const Runner& runner) const;
  void start_interval();

  LogSink sink_;
  TextLoggerOptions options_;
  MeanLosses losses_;
  double data_seconds_ = 0;
  double grad_norm_ = 0;
  int64_t run_iters_ = 0;   // since before_run
  double run_seconds_ = 0;  // in training epochs since before_run
  Clock::time_point interval_start_;
  Clock::time_point epoch_start_;
  Clock::time_point last_progress_;
};

/// "1:02:03", or "2 days, 1:02:03".
std::string duration_text(double seconds);
/// Resident memory of this process in MB; 0 where the system does not tell.
int64_t resident_megabytes();

}  // namespace kestrel
