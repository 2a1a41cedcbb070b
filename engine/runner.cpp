#include <kestrel/engine/runner.h>

#include <algorithm>
#include <chrono>

namespace kestrel {

Runner::Runner(TrainTask& task, int64_t max_epochs) : task_(task), max_epochs_(max_epochs) {
  if (max_epochs < 0) fail<UsageError>("[runner] max_epochs is negative: ", max_epochs);
  epoch_length_ = task.epoch_length();
}

void Runner::add_hook(std::shared_ptr<Hook> hook, Priority priority) {
  const auto place =
      std::ranges::upper_bound(hooks_, priority, {}, [](const auto& entry) { return entry.first; });
  hooks_.emplace(place, priority, std::move(hook));
}

Progress Runner::progress() const {
  return {.epoch = epoch_,
          .iter = iter_,
          .max_epochs = max_epochs_,
          .max_iters = max_iters(),
          .epoch_length = epoch_length_};
}

void Runner::resume(int64_t epoch) {
  epoch_ = epoch;
  iter_ = epoch * epoch_length_;
}

void Runner::call(void (Hook::*point)(Runner&)) {
  for (const auto& [priority, hook] : hooks_) ((*hook).*point)(*this);
}

void Runner::run() {
  if (epoch_length_ <= 0) fail<DataError>("[runner] there is no batch to train on");
  call(&Hook::before_run);
  while (epoch_ < max_epochs_ && !stopped()) run_epoch();
  call(&Hook::after_run);
}

void Runner::run_epoch() {
  metrics.clear();
  inner_iter_ = 0;
  task_.begin_epoch(epoch_);
  call(&Hook::before_epoch);
  while (inner_iter_ < epoch_length_) {
    const auto start = std::chrono::steady_clock::now();
    task_.load_batch();
    const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
    data_seconds_ = waited.count();
    call(&Hook::before_iter);
    result_ = task_.forward();
    call(&Hook::after_iter);
    result_ = {};
    ++inner_iter_;
    ++iter_;
    if (stopped() && inner_iter_ < epoch_length_) return;
  }
  call(&Hook::after_epoch);
  ++epoch_;
}

}  // namespace kestrel
