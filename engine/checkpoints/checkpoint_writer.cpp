#include <kestrel/engine/checkpoints/checkpoint_writer.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include <kestrel/kernels/log.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

/// Makes the next reading of a file come from the disk, where the system lets it.
void forget_cached_pages(const fs::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  ::close(fd);
}

void check_contents(const fs::path& file, const Safetensors& expected) {
  forget_cached_pages(file);
  const Safetensors found = read_safetensors(file);
  for (const auto& [name, tensor] : expected.tensors) {
    const Tensor& stored = found.at(name);
    if (stored.bytes() != tensor.bytes() ||
        std::memcmp(stored.raw(), tensor.raw(), tensor.bytes()) != 0) {
      fail<ModelFileError>("[checkpoint] ", file.string(), ": tensor '", name,
                           "' was read back with other values than were written; the disk or the "
                           "memory of this machine is faulty");
    }
  }
}

bool is_readable(const fs::path& file) {
  try {
    read_safetensors(file);
    return true;
  } catch (const Error&) {
    return false;
  }
}

void rename_file(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    fail<ModelFileError>("[checkpoint] renaming ", from.string(), " to ", to.string(), ": ",
                         std::strerror(errno));
  }
}

void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (!synced) {
    fail<ModelFileError>("[checkpoint] syncing ", folder.string(), ": ", std::strerror(error));
  }
}

void write_checked(const CheckpointWriter::Job& job) {
  const fs::path fresh = job.file.string() + ".new";
  const fs::path folder = job.file.parent_path();
  if (fs::create_directories(folder)) sync_folder(folder / "..");
  write_safetensors(fresh, job.contents);
  check_contents(fresh, job.contents);
  // A damaged file must not push out the good one before it.
  if (job.is_state() && is_readable(job.file)) rename_file(job.file, job.previous);
  rename_file(fresh, job.file);
  for (const fs::path& old : job.obsolete) {
    if (!fs::remove(old)) break;
  }
  sync_folder(folder);
}

}  // namespace

CheckpointWriter::~CheckpointWriter() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void CheckpointWriter::enqueue(Job job) {
  const auto same_file = [&](const Job& other) { return other.file == job.file; };
  if (job.is_state()) std::erase_if(queue_, same_file);
  const auto waiting = std::ranges::find_if(queue_, same_file);
  if (waiting != queue_.end()) {
    *waiting = std::move(job);
  } else {
    queue_.push_back(std::move(job));
  }
}

void CheckpointWriter::retry_failed() {
  for (Failure& failure : std::exchange(failed_, {})) enqueue(std::move(failure.job));
}

void CheckpointWriter::write(Job job) {
  {
    const std::lock_guard lock(mutex_);
    retry_failed();
    enqueue(std::move(job));
  }
  changed_.notify_all();
}

void CheckpointWriter::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return queue_.empty() && !busy_; });
}

void CheckpointWriter::finish() {
  wait();
  {
    const std::lock_guard lock(mutex_);
    retry_failed();
  }
  changed_.notify_all();
  wait();
  const std::lock_guard lock(mutex_);
  if (failed_.empty()) return;
  std::string reasons;
  for (const Failure& failure : failed_) reasons += (reasons.empty() ? "" : "; ") + failure.reason;
  failed_.clear();
  fail<ModelFileError>(reasons);
}

double CheckpointWriter::busy_seconds() const {
  const std::lock_guard lock(mutex_);
  return busy_seconds_;
}

void CheckpointWriter::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stop_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Job job = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    const auto start = std::chrono::steady_clock::now();
    std::string reason;
    try {
      write_checked(job);
    } catch (const std::exception& error) {
      reason = error.what();
      warn(reason + "; " + job.file.filename().string() +
           " stays as it was; training goes on, and the next save tries again");
    }
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    lock.lock();
    busy_ = false;
    busy_seconds_ += spent.count();
    if (!reason.empty()) {
      const auto newer = [&](const Job& other) { return other.file == job.file; };
      if (std::ranges::none_of(queue_, newer)) failed_.push_back({std::move(job), reason});
    }
    changed_.notify_all();
  }
}

}  // namespace kestrel
