#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <source_location>
#include <string>
#include <vector>

#include "fiber.h"
#include "include/cuda_runtime.h"
#include "include/cuda_sim/control.h"
#include "memory.h"
#include "profiler.h"
#include "tracker.h"

/// Carries out one kernel at a time: its blocks one after another, a block's threads as fibers.
namespace cuda_sim {

constexpr uint32_t kWarpSize = 32;

struct Warp;

/// What every lane of a mask brought to a warp operation.
struct Exchange {
  static constexpr int kBytes = 64;
  alignas(16) unsigned char value[kWarpSize][kBytes];
  uint32_t mask = 0;
};

struct Thread {
  enum class State { NotStarted, Ready, Running, AtBarrier, AtWarpOperation, Done };

  uint3 index{};
  uint32_t linear = 0;
  State state = State::NotStarted;
  Fiber* fiber = nullptr;
  Warp* warp = nullptr;
  // Where it waits.
  Location where;
  const char* operation = "";
  uint32_t mask = 0;
  const void* value = nullptr;
  size_t bytes = 0;
  int predicate = 0;
  int barrier_result = 0;
  std::shared_ptr<Exchange> exchange;
  // Happens-before within the warp.
  uint32_t clock = 1;
  uint32_t knows[kWarpSize] = {};
  // Copies that cp.async has begun.
  struct AsyncCopy {
    void* to;
    const void* from;
    bool valid;
    Location where;
  };
  std::vector<AsyncCopy> uncommitted;
  std::vector<std::vector<AsyncCopy>> groups;

  uint32_t lane() const { return linear % kWarpSize; }
};

struct Warp {
  std::vector<Thread*> threads;
  int waiting = 0;                                   ///< Lanes at a warp operation.
  std::vector<std::shared_ptr<Exchange>> exchanges;  ///< Those that lanes read, and spare ones.
};

/// What CUDA_SIM_SCHEDULE says.
Schedule schedule_from_environment();
/// What CUDA_SIM_SAMPLE_BLOCKS says.
uint64_t sampled_blocks_from_environment();

/// What is launched.
struct Launch {
  const void* kernel = nullptr;
  dim3 grid, block;
  size_t shared_bytes = 0;
  std::shared_ptr<const Call> call;
  uint32_t number = 0;
};

class Machine {
 public:
  static Machine& instance();

  /// Runs a kernel to its end, or until a mistake that it cannot go on from; false then.
  bool run(const Launch& launch);

  // Called by the thread that runs.
  void barrier(const Location& where);
  int barrier_reduce(int predicate, char operation, const Location& where);
  /// The answer is valid until this lane's next warp operation.
  const Exchange& exchange(const char* operation, uint32_t mask, const void* value, size_t bytes,
                           const Location& where);
  void sync_warp(uint32_t mask, const Location& where);
  void* shared_object(const void* key, const char* name, size_t bytes, size_t alignment);
  void* dynamic_shared() const { return arena_.dynamic(); }
  Thread& current() { return *current_; }

  /// An access of the thread that runs; address and bytes are the program's own.
  void access(uintptr_t address, size_t bytes, Access kind, uintptr_t pc);
  bool in_kernel() const { return in_kernel_; }
  const Launch& launch() const { return *launch_; }
  Profile& profile() { return *profile_; }

  void report(Check check, const std::string& text);
  /// As report(), and the kernel stops when the thread next gives way.
  void stop(Check check, const std::string& text);
  std::string describe(const Thread& thread) const;
  static std::string describe_thread(uint64_t thread);

  Schedule schedule = schedule_from_environment();
  uint64_t sampled_blocks = sampled_blocks_from_environment();  ///< Per launch; 0: all.

  /// While one exists the simulator's own accesses are not a kernel's.
  class Pause {
   public:
    explicit Pause(Machine& machine) : machine_(machine), before_(machine.in_kernel_) {
      machine_.in_kernel_ = false;
    }
    ~Pause() { machine_.in_kernel_ = before_; }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    Machine& machine_;
    bool before_;
  };

 private:
  Machine();
  void run_block(uint64_t block);
  bool run_round(const std::vector<uint32_t>& warps);
  bool run_thread(Thread& thread);
  bool release_barrier();
  void complete_exchange(Thread& last);
  static void join_clocks(Warp& warp, uint32_t mask);
  void wait();
  [[gnu::cold]] void report_deadlock();
  std::vector<uint32_t> order(size_t count);
  Fiber* take_fiber();
  static void thread_body(void* machine);
  void check_access(Shadow& shadow, uint32_t era, uintptr_t address, size_t bytes, Access kind,
                    uintptr_t pc);
  [[gnu::cold]] void fault(size_t bytes, Access kind, uintptr_t pc, const std::string& text);
  [[gnu::cold]] std::string describe_access(size_t bytes, Access kind, uintptr_t pc) const;
  const Launch* launch_ = nullptr;
  uintptr_t arguments_ = 0;
  size_t argument_bytes_ = 0;
  Profile* profile_ = nullptr;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  Thread* current_ = nullptr;
  Actor actor_;  ///< The thread that runs; its era is the launch.
  uint64_t block_ = 0;
  uint32_t blocks_run_ = 0;  ///< Since the program began: names the era of shared memory.
  uint32_t epoch_ = 0;
  bool in_kernel_ = false;
  bool stopped_ = false;
  SharedArena arena_;
  DeviceMemory& memory_;
  Profiler& profiler_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> free_fibers_;
  std::mt19937_64 random_;
};

/// Holds off other host threads: one kernel, copy or report at a time.
std::recursive_mutex& big_lock();

/// "file:line (function)" of an address in a program, of a return address the line of the call.
std::string source_line(uintptr_t pc);
std::string to_string(const Location& where);
/// The kernel's name without return type, parameters and namespaces.
std::string kernel_name(const void* kernel);

/// Adds to what take_reports() gives.
void add_report(Check check, const std::string& kernel, const std::string& text);
/// The counters of a kernel.
Profile& profile_of(const void* kernel);
bool profiling();

}  // namespace cuda_sim
