#include <kestrel/kernels/parallel.h>

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

namespace kestrel {
namespace {

using Clock = std::chrono::steady_clock;

// How long a thread looks for work, or for the end of it, before it sleeps: longer than the gap
// between two kernels and than waking up takes, shorter than what a busy neighbour would notice.
constexpr std::chrono::microseconds kSpin(60);

void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

/// Looks at done() for kSpin at most; whether it was true.
template <class F>
bool spin_until(F&& done) {
  const auto end = Clock::now() + kSpin;
  do {
    for (int i = 0; i < 16; ++i) {
      if (done()) return true;
      pause_briefly();
    }
  } while (Clock::now() < end);
  return false;
}

/// The number in a file of the container's limits; none where there is no file or no limit.
std::optional<int64_t> limit_in(const char* file) {
  std::ifstream in(file);
  int64_t value = 0;
  if (in >> value && value > 0) return value;
  return {};
}

/// The container's limit in processors: cgroup 2's "quota period", or cgroup 1's two files.
std::optional<int64_t> core_limit() {
  std::ifstream in("/sys/fs/cgroup/cpu.max");
  int64_t quota = 0, period = 0;
  if (in >> quota >> period && quota > 0 && period > 0) return (quota + period - 1) / period;
  const auto old_quota = limit_in("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  const auto old_period = limit_in("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (old_quota && old_period) return (*old_quota + *old_period - 1) / *old_period;
  return {};
}

int default_threads() {
  static const int threads = [] {
    const char* text = std::getenv("OMP_NUM_THREADS");
    int value = 0;
    if (text) std::from_chars(text, text + std::strlen(text), value);
    return value > 0 ? value : usable_cores();
  }();
  return threads;
}

/// That of the calling thread; 0: the default.
thread_local int chosen_threads = 0;
/// Whether the calling thread is in a loop.
thread_local bool in_loop = false;

/// A parallel_for that runs.
struct Loop {
  const int64_t chunks;
  void (*const f)(void*, int64_t);
  void* const context;

  std::atomic<int64_t> next{0};
  std::atomic<int> workers{0};  // that are in it
  // Under the pool's mutex.
  int seats = 0;  // for workers that have not come yet
  bool waited_for = false;
  std::exception_ptr error;
  int64_t error_chunk = 0;

  void run(std::mutex& mutex) {
    in_loop = true;
    for (int64_t c; (c = next.fetch_add(1, std::memory_order_relaxed)) < chunks;) {
      try {
        f(context, c);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!error || c < error_chunk) {
          error = std::current_exception();
          error_chunk = c;
        }
        // Chunks before it have all been begun; those after it are not wanted any more.
        next.store(chunks, std::memory_order_relaxed);
      }
    }
    in_loop = false;
  }
};

class Pool {
 public:
  void run(Loop& loop, int threads) {
    const int others = busy_.fetch_add(1, std::memory_order_relaxed);
    const bool shared = others + 1 < std::max(threads, cores_);
    if (shared) open(loop, threads);
    loop.run(mutex_);
    if (shared) close(loop);
    busy_.fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  void open(Loop& loop, int threads) {
    int wake = 0;
    {
      const std::lock_guard lock(mutex_);
      const int free = std::max(threads, cores_) - busy_.load(std::memory_order_relaxed);
      const auto seats = static_cast<int>(std::min<int64_t>({threads - 1, free, loop.chunks - 1}));
      if (seats <= 0) return;
      while (workers_ < seats && start_worker()) ++workers_;
      busy_.fetch_add(seats, std::memory_order_relaxed);
      seats_.fetch_add(seats, std::memory_order_relaxed);
      loop.seats = seats;
      open_.push_back(&loop);
      wake = std::min(seats, sleeping_);
    }
    for (int i = 0; i < wake; ++i) work_.notify_one();
  }

  /// Nobody comes any more; those who have begun a chunk are waited for.
  void close(Loop& loop) {
    std::unique_lock lock(mutex_);
    busy_.fetch_sub(loop.seats, std::memory_order_relaxed);
    seats_.fetch_sub(loop.seats, std::memory_order_relaxed);
    loop.seats = 0;
    std::erase(open_, &loop);
    const auto left = [&] { return loop.workers.load(std::memory_order_acquire) == 0; };
    if (left()) return;
    lock.unlock();
    if (spin_until(left)) return;
    lock.lock();
    loop.waited_for = true;
    done_.wait(lock, left);
  }

  void work() {
    while (true) {
      spin_until([&] { return seats_.load(std::memory_order_relaxed) > 0; });
      std::unique_lock lock(mutex_);
      ++sleeping_;
      work_.wait(lock, [&] { return seats_.load(std::memory_order_relaxed) > 0; });
      --sleeping_;
      Loop& loop = **std::find_if(open_.begin(), open_.end(),
                                  [](const Loop* open) { return open->seats > 0; });
      --loop.seats;
      seats_.fetch_sub(1, std::memory_order_relaxed);
      loop.workers.fetch_add(1, std::memory_order_relaxed);
      lock.unlock();
      loop.run(mutex_);
      busy_.fetch_sub(1, std::memory_order_relaxed);
      lock.lock();
      const bool waited_for = loop.waited_for;
      // The caller may return, and the loop end, as soon as it sees this.
      const int before = loop.workers.fetch_sub(1, std::memory_order_release);
      if (before == 1 && waited_for) done_.notify_all();
    }
  }

  /// Whether there is one more: where the system refuses, those that there are do the work.
  bool start_worker() {
    // Signals are for the application's threads.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = true;
    try {
      std::thread([this] { work(); }).detach();
    } catch (const std::system_error&) {
      started = false;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return started;
  }

  const int cores_ = usable_cores();
  std::atomic<int> busy_{0};   // threads in loops, and seats
  std::atomic<int> seats_{0};  // of all open loops
  std::mutex mutex_;
  std::condition_variable work_, done_;
  std::vector<Loop*> open_;
  int workers_ = 0, sleeping_ = 0;
};

std::atomic<Pool*> process_pool = nullptr;

/// A fork has none of the threads: it gets a pool of its own.
[[maybe_unused]] const int fork_handler = pthread_atfork(
    nullptr, nullptr, [] { process_pool.store(nullptr, std::memory_order_release); });

/// Never destroyed: its threads may still be in it when the process ends.
Pool& pool() {
  Pool* current = process_pool.load(std::memory_order_acquire);
  if (current) return *current;
  auto made = std::make_unique<Pool>();
  if (process_pool.compare_exchange_strong(current, made.get(), std::memory_order_acq_rel)) {
    return *made.release();
  }
  return *current;
}

}  // namespace

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int64_t cores =
      sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
  if (const auto limit = core_limit()) cores = std::min(cores, *limit);
  return static_cast<int>(std::max<int64_t>(1, cores));
}

int num_threads() {
  return chosen_threads > 0 ? chosen_threads : default_threads();
}

void set_num_threads(int threads) {
  chosen_threads = std::max(1, threads);
}

void detail::run_chunks(int64_t chunks, void (*f)(void*, int64_t), void* context) {
  const int threads = num_threads();
  if (chunks == 1 || in_loop || threads == 1) {
    for (int64_t c = 0; c < chunks; ++c) f(context, c);
    return;
  }
  Loop loop{.chunks = chunks, .f = f, .context = context};
  pool().run(loop, threads);
  if (loop.error) std::rethrow_exception(loop.error);
}

}  // namespace kestrel
