#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <kestrel/tensor/safetensors.h>

namespace kestrel {

/// Writes checkpoints on a thread of its own.
///
/// A file is written beside its place, synced, read back from the disk and compared with what it
/// should hold; only then is it renamed to its name and the folder synced. So there is a complete
/// file at any time, whenever the machine stops. One that cannot be written is a warning with the
/// reason, and is tried again when the next one comes and in finish().
class CheckpointWriter {
 public:
  CheckpointWriter() : thread_([this] { work(); }) {}
  /// Writes what is left; what cannot be written is a warning.
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  struct Job {
    std::filesystem::path file;
    Safetensors contents;  ///< On the CPU; memory that nobody writes to any more.
    /// Where a complete `file` that was there before is moved to; empty: it is replaced. A file
    /// that has one is a run's state: it is written after everything that was handed over before
    /// it.
    std::filesystem::path previous = {};
    /// Removed, in this order until one is absent, once `file` is there.
    std::vector<std::filesystem::path> obsolete = {};

    bool is_state() const { return !previous.empty(); }
  };

  /// Returns at once. Takes the place of a job for the same file that still waits.
  void write(Job job);
  /// Waits until everything was tried once; what failed is kept for the next time.
  void wait();
  /// Waits until everything is written. Throws ModelFileError naming what could not be.
  void finish();
  /// Time that the thread spent writing.
  double busy_seconds() const;

 private:
  struct Failure {
    Job job;
    std::string reason;
  };

  void work();
  void enqueue(Job job);
  void retry_failed();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> queue_;
  std::vector<Failure> failed_;
  bool busy_ = false;
  bool stop_ = false;
  double busy_seconds_ = 0;
  std::thread thread_;
};

}  // namespace kestrel
