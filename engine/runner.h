#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <kestrel/autograd/variable.h>
#include <kestrel/engine/hooks/hook.h>
#include <kestrel/engine/schedules/lr_schedule.h>

namespace kestrel {

/// Numbers by name, in the order in which they are shown.
using NamedValues = std::vector<std::pair<std::string, double>>;

/// What one forward pass gave.
struct StepResult {
  Variable loss;                                         ///< To differentiate; a scalar.
  std::vector<std::pair<std::string, Variable>> losses;  ///< Its named parts, for logs.
  int64_t num_samples = 1;
  /// Adds `share` times the gradients of the loss to those of the parameters, before the next
  /// forward pass; where it is not set, loss.backward() does.
  std::function<void(double share)> differentiate;
};

/// What is trained: a source of batches and a loss. The runner knows no more of it.
class TrainTask {
 public:
  virtual ~TrainTask() = default;
  /// Batches in an epoch.
  virtual int64_t epoch_length() const = 0;
  /// Called before the first batch of every epoch; with `first` > 0, where a run continues within
  /// one, batches [0, first) are left out.
  virtual void begin_epoch(int64_t epoch, int64_t first) = 0;
  /// Waits for the next batch. Timed on its own, as waiting for data.
  virtual void load_batch() = 0;
  /// The forward pass over that batch, in training mode.
  virtual StepResult forward() = 0;
};

/// A place between two iterations. inner_iter is the number of iterations of the epoch that are
/// done; where all are, but not what comes after them, it is the epoch's length.
struct Position {
  int64_t epoch = 0;
  int64_t inner_iter = 0;
  friend bool operator==(const Position&, const Position&) = default;
};

/// The time that one hook took.
struct HookCost {
  std::string name;  ///< Of its class.
  bool trains = false;
  double seconds = 0;
};

/// Trains for a number of epochs and calls hooks before and after the run, each epoch and each
/// iteration:
///
///   before_run; for each epoch: before_epoch; for each batch: load_batch, before_iter, forward,
///   after_iter, iter++; after_epoch, epoch++; after_run
///
/// Everything else (learning rate, backward and update, evaluation, checkpoints, logs) is a hook.
class Runner {
 public:
  Runner(TrainTask& task, int64_t max_epochs);

  void add_hook(std::shared_ptr<Hook> hook, Priority priority = Priority::Normal);
  void run();
  /// Ends the run after the current iteration, with after_run; with after_epoch only if it is the
  /// epoch's last. Safe to call from a signal handler or another thread.
  void stop() { stop_.store(true); }
  bool stopped() const { return stop_.load(); }
  /// For after_epoch: stops without calling the hooks that would come next. The epoch stays open: a
  /// run that continues begins with its after_epoch.
  void leave_epoch_open();

  TrainTask& task() { return task_; }
  int64_t epoch() const { return epoch_; }            ///< Of the current one, from 0.
  int64_t iter() const { return iter_; }              ///< Finished iterations, over all.
  int64_t inner_iter() const { return inner_iter_; }  ///< Within the epoch.
  /// Epochs whose last iteration is done; in after_epoch the current one counts.
  int64_t finished_epochs() const { return epoch_length_ > 0 ? iter_ / epoch_length_ : 0; }
  int64_t max_epochs() const { return max_epochs_; }
  int64_t epoch_length() const { return epoch_length_; }
  int64_t max_iters() const { return max_epochs_ * epoch_length_; }
  bool is_last_iter_of_epoch() const { return inner_iter_ + 1 == epoch_length_; }
  /// Whether the current iteration is the last of a stretch of the log: every `interval` of an
  /// epoch. What remains of an epoch behind the last is added to it, if it is less than half one.
  bool ends_interval(int64_t interval) const;
  Progress progress() const;

  /// Where a run would continue from what is there now: in after_iter behind the iteration, in
  /// after_epoch behind the epoch.
  Position resume_point() const { return resume_point_; }
  /// Begins there; before run().
  void resume(const Position& position);
  /// What hooks need to go on, and `state` and `lr`, to and from a resume file.
  void save(Safetensors& file) const;
  void load(const Safetensors& file);

  /// Of the current iteration, from forward to the end of after_iter.
  const StepResult& result() const { return result_; }
  double data_seconds() const { return data_seconds_; }  ///< Waiting for the current batch.
  double run_seconds() const;                            ///< Since run() began.
  std::vector<HookCost> costs() const;                   ///< Of all hooks, in their order.

  /// What hooks tell each other: the learning rate of the first group, the norm of the gradients,
  /// the metrics of the current epoch. Cleared by nobody; set anew by whoever owns them.
  double lr = 0;
  double grad_norm = 0;
  NamedValues metrics;  ///< Emptied before every epoch.
  /// Small texts that are saved in checkpoints and restored with them, such as the best score.
  std::map<std::string, std::string> state;

 private:
  struct Entry {
    Priority priority;
    std::shared_ptr<Hook> hook;
    double seconds = 0;
  };

  void call(void (Hook::*point)(Runner&));
  void run_epoch();

  TrainTask& task_;
  int64_t max_epochs_;
  int64_t epoch_length_ = 0;
  int64_t epoch_ = 0;
  int64_t iter_ = 0;
  int64_t inner_iter_ = 0;
  Position resume_point_;
  StepResult result_;
  double data_seconds_ = 0;
  std::atomic<bool> stop_ = false;
  bool epoch_open_ = false;
  std::chrono::steady_clock::time_point start_;
  std::vector<Entry> hooks_;
};

}  // namespace kestrel
