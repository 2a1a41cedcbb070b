#include "machine.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

uint3 threadIdx{};
uint3 blockIdx{};
dim3 blockDim;
dim3 gridDim;

namespace cuda_sim {
namespace {

constexpr const char* kSyncWarp = "__syncwarp";

/// Equal constants are mostly one.
bool same(const char* a, const char* b) {
  return a == b || std::strcmp(a, b) == 0;
}

bool same(const Location& a, const Location& b) {
  return a.line() == b.line() && a.column() == b.column() && same(a.file_name(), b.file_name());
}

/// An exchange of the warp that no lane reads any more.
std::shared_ptr<Exchange> take_exchange(Warp& warp) {
  for (const auto& exchange : warp.exchanges) {
    if (exchange.use_count() == 1) return exchange;
  }
  return warp.exchanges.emplace_back(std::make_shared<Exchange>());
}

}  // namespace

Machine::Machine() : memory_(device_memory()), profiler_(profiler()) {}

Machine& Machine::instance() {
  static auto* machine = new Machine;
  return *machine;
}

std::recursive_mutex& big_lock() {
  static auto* mutex = new std::recursive_mutex;
  return *mutex;
}

bool Machine::run(const Launch& launch) {
  const DeviceMemory::Open open(device_memory());
  launch_ = &launch;
  const auto [arguments, bytes] = launch.call->arguments();
  arguments_ = reinterpret_cast<uintptr_t>(arguments);
  argument_bytes_ = bytes;
  profile_ = &profile_of(launch.kernel);
  ++profile_->launches;
  stopped_ = false;
  arena_.shadow().forget_accesses();
  random_.seed(schedule.seed * 0x9E3779B97F4A7C15u + launch.number);
  const uint64_t blocks = uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  blockDim = launch.block;
  gridDim = launch.grid;
  profile_->grid_blocks += blocks;
  const uint64_t carried_out = sampled_blocks > 0 ? std::min(sampled_blocks, blocks) : blocks;
  profiler_.begin(*profile_);
  for (const uint64_t place : order(carried_out)) {
    run_block(place * blocks / carried_out);
    if (stopped_) break;
  }
  profiler_.end();
  launch_ = nullptr;
  return !stopped_;
}

std::vector<uint32_t> Machine::order(size_t count) {
  std::vector<uint32_t> result(count);
  std::iota(result.begin(), result.end(), 0u);
  if (schedule.order == Order::Descending) std::reverse(result.begin(), result.end());
  if (schedule.order == Order::Random) std::shuffle(result.begin(), result.end(), random_);
  return result;
}

Fiber* Machine::take_fiber() {
  if (free_fibers_.empty()) {
    fibers_.push_back(std::make_unique<Fiber>());
    return fibers_.back().get();
  }
  Fiber* fiber = free_fibers_.back();
  free_fibers_.pop_back();
  return fiber;
}

void Machine::run_block(uint64_t block) {
  const dim3& size = launch_->block;
  const uint32_t count = size.x * size.y * size.z;
  block_ = block;
  ++blocks_run_;
  epoch_ = 0;
  blockIdx = {static_cast<unsigned>(block % launch_->grid.x),
              static_cast<unsigned>(block / launch_->grid.x % launch_->grid.y),
              static_cast<unsigned>(block / launch_->grid.x / launch_->grid.y)};
  arena_.reset(launch_->shared_bytes);
  ++profile_->blocks;
  profile_->threads += count;

  threads_.assign(count, {});
  warps_.resize((count + kWarpSize - 1) / kWarpSize);
  for (Warp& warp : warps_) {
    warp.threads.clear();
    warp.waiting = 0;
  }
  for (uint32_t i = 0; i < count; ++i) {
    Thread& thread = threads_[i];
    thread.linear = i;
    thread.index = {i % size.x, i / size.x % size.y, i / size.x / size.y};
    thread.warp = &warps_[i / kWarpSize];
    thread.warp->threads.push_back(&thread);
  }

  while (!stopped_) {
    if (run_round(order(warps_.size()))) continue;
    if (std::all_of(threads_.begin(), threads_.end(),
                    [](const Thread& t) { return t.state == Thread::State::Done; })) {
      break;
    }
    if (!release_barrier()) break;
  }
  profiler_.flush();
  for (Thread& thread : threads_) {
    if (thread.fiber) free_fibers_.push_back(thread.fiber);
  }
}

/// Runs what can run; false where nothing could.
bool Machine::run_round(const std::vector<uint32_t>& warps) {
  bool progress = false;
  for (const uint32_t warp : warps) {
    bool again = true;
    while (again && !stopped_) {
      again = false;
      for (const uint32_t lane : order(warps_[warp].threads.size())) {
        if (stopped_) break;
        again = run_thread(*warps_[warp].threads[lane]) || again;
      }
      progress = progress || again;
      if (schedule.pace == Pace::LockStep) break;
    }
  }
  return progress && !stopped_;
}

bool Machine::run_thread(Thread& thread) {
  if (thread.state == Thread::State::NotStarted) {
    thread.fiber = take_fiber();
    thread.fiber->prepare(thread_body, this);
  } else if (thread.state != Thread::State::Ready) {
    return false;
  }
  thread.state = Thread::State::Running;
  current_ = &thread;
  actor_ = {launch_->number,
            thread_id(block_, thread.linear),
            thread.linear / kWarpSize,
            thread.lane(),
            epoch_,
            thread.knows,
            thread.clock};
  threadIdx = thread.index;
  in_kernel_ = true;
  const bool done = thread.fiber->resume();
  in_kernel_ = false;
  if (done) {
    thread.state = Thread::State::Done;
    free_fibers_.push_back(thread.fiber);
    thread.fiber = nullptr;
  }
  return true;
}

void Machine::thread_body(void* machine) {
  auto& self = *static_cast<Machine*>(machine);
  self.launch_->call->run();
  self.in_kernel_ = false;
}

void Machine::wait() {
  current_->fiber->suspend();
}

void Machine::barrier(const Location& where) {
  barrier_reduce(0, '|', where);
}

int Machine::barrier_reduce(int predicate, char operation, const Location& where) {
  const Pause pause(*this);
  Thread& thread = *current_;
  thread.state = Thread::State::AtBarrier;
  thread.operation = "__syncthreads";
  thread.where = where;
  thread.predicate = predicate != 0;
  wait();
  const int sum = thread.barrier_result;
  if (operation == '+') return sum;
  if (operation == '&') return sum == static_cast<int>(threads_.size()) ? 1 : 0;
  return sum > 0 ? 1 : 0;
}

/// Lets the threads pass if all have arrived; reports and stops otherwise.
bool Machine::release_barrier() {
  Thread* first = nullptr;
  Thread* ended = nullptr;
  for (Thread& thread : threads_) {
    if (thread.state == Thread::State::AtWarpOperation) {
      report_deadlock();
      return false;
    }
    if (thread.state == Thread::State::Done) {
      ended = &thread;
    } else if (!first) {
      first = &thread;
    } else if (!same(first->where, thread.where)) {
      stop(Check::Synchronisation, "barriers at different places: " + describe(*first) + " is at " +
                                       to_string(first->where) + ", " + describe(thread) + " at " +
                                       to_string(thread.where));
      return false;
    }
  }
  if (ended && first) {
    stop(Check::Synchronisation, "barrier at " + to_string(first->where) + ", where " +
                                     describe(*first) + " waits, is never reached by " +
                                     describe(*ended) + ", which has ended");
    return false;
  }
  int sum = 0;
  for (const Thread& thread : threads_) sum += thread.predicate;
  for (Thread& thread : threads_) {
    thread.barrier_result = sum;
    thread.state = Thread::State::Ready;
  }
  ++epoch_;
  ++profile_->barriers;
  profiler_.flush();
  return true;
}

void Machine::report_deadlock() {
  std::string text = "deadlock:";
  int told = 0;
  for (const Thread& thread : threads_) {
    if (thread.state != Thread::State::AtWarpOperation) continue;
    if (++told > 4) break;
    char mask[16];
    std::snprintf(mask, sizeof(mask), "0x%08x", thread.mask);
    text += " " + describe(thread) + " waits in " + thread.operation + "(" + mask + ") at " +
            to_string(thread.where) + ", lanes that do not come:";
    for (const Thread* other : thread.warp->threads) {
      if ((thread.mask >> other->lane() & 1u) == 0) continue;
      const bool with_it = other->state == Thread::State::AtWarpOperation &&
                           other->mask == thread.mask && same(other->operation, thread.operation);
      if (with_it) continue;
      text += " " + std::to_string(other->lane());
      if (other->state == Thread::State::Done) text += " (has ended)";
      if (other->state == Thread::State::AtBarrier) {
        text += " (at the barrier " + to_string(other->where) + ")";
      }
      if (other->state == Thread::State::AtWarpOperation) {
        text += std::string(" (in ") + other->operation + " at " + to_string(other->where) + ")";
      }
    }
    text += ";";
  }
  stop(Check::Synchronisation, text);
}

const Exchange& Machine::exchange(const char* operation, uint32_t mask, const void* value,
                                  size_t bytes, const Location& where) {
  const Pause pause(*this);
  Thread& thread = *current_;
  ++profile_->warp_operations;
  thread.state = Thread::State::AtWarpOperation;
  thread.operation = operation;
  thread.mask = mask;
  thread.value = value;
  thread.bytes = bytes;
  thread.where = where;
  if ((mask >> thread.lane() & 1u) == 0) {
    stop(Check::Synchronisation, std::string(operation) + " at " + to_string(where) + ": " +
                                     describe(thread) + " is not in its own mask");
    wait();
  }
  uint32_t here = 0;
  if (++thread.warp->waiting >= std::popcount(mask)) {
    for (const Thread* other : thread.warp->threads) {
      const bool with_it = other->state == Thread::State::AtWarpOperation && other->mask == mask &&
                           same(other->operation, operation);
      if (with_it) here |= 1u << other->lane();
    }
  }
  if ((here & mask) == mask) {
    complete_exchange(thread);
  } else {
    wait();
  }
  return *thread.exchange;
}

void Machine::complete_exchange(Thread& last) {
  const std::shared_ptr<Exchange> all = take_exchange(*last.warp);
  all->mask = last.mask;
  last.warp->waiting -= std::popcount(last.mask);
  for (Thread* thread : last.warp->threads) {
    if ((last.mask >> thread->lane() & 1u) == 0) continue;
    if (thread->bytes > 0) std::memcpy(all->value[thread->lane()], thread->value, thread->bytes);
    thread->exchange = all;
    thread->state = thread == &last ? Thread::State::Running : Thread::State::Ready;
  }
  if (last.operation == kSyncWarp) {
    join_clocks(*last.warp, last.mask);
    actor_.clock = last.clock;
  }
}

/// __syncwarp is the one warp operation that orders memory: afterwards every lane comes after all
/// that the others did or came after.
void Machine::join_clocks(Warp& warp, uint32_t mask) {
  uint32_t joined[kWarpSize] = {};
  for (const Thread* thread : warp.threads) {
    if ((mask >> thread->lane() & 1u) == 0) continue;
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
      joined[lane] = std::max(joined[lane], thread->knows[lane]);
    }
    joined[thread->lane()] = std::max(joined[thread->lane()], thread->clock);
  }
  for (Thread* thread : warp.threads) {
    if ((mask >> thread->lane() & 1u) == 0) continue;
    std::copy_n(joined, kWarpSize, thread->knows);
    ++thread->clock;
  }
}

void Machine::sync_warp(uint32_t mask, const Location& where) {
  exchange(kSyncWarp, mask, nullptr, 0, where);
}

void* Machine::shared_object(const void* key, const char* name, size_t bytes, size_t alignment) {
  const Pause pause(*this);
  void* memory = arena_.object(key, name, bytes, alignment);
  const size_t fixed = arena_.used() - launch_->shared_bytes;
  if (!memory || fixed > SharedArena::kStaticLimit || arena_.used() > SharedArena::kLimit) {
    stop(Check::Launch, std::to_string(arena_.used()) + " bytes of shared memory, of which " +
                            std::to_string(fixed) + " are static: at most " +
                            std::to_string(SharedArena::kStaticLimit) + " may be static and " +
                            std::to_string(SharedArena::kLimit) + " in all");
    wait();
  }
  return memory;
}

std::string Machine::describe(const Thread& thread) const {
  return describe_thread(thread_id(block_, thread.linear));
}

std::string Machine::describe_thread(uint64_t thread) {
  return "thread " + std::to_string(in_block_of(thread)) + " of block " +
         std::to_string(block_of(thread));
}

void Machine::report(Check check, const std::string& text) {
  add_report(check, kernel_name(launch_->kernel), text + " [schedule " + to_string(schedule) + "]");
  switch (check) {
    case Check::Memory:
      ++profile_->memory_errors;
      break;
    case Check::Initialisation:
      ++profile_->uninitialised_reads;
      break;
    case Check::Race:
      ++profile_->races;
      break;
    default:
      ++profile_->synchronisation_errors;
  }
}

void Machine::stop(Check check, const std::string& text) {
  report(check, text);
  stopped_ = true;
}

}  // namespace cuda_sim
