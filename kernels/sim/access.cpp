// What kernels do to memory. Kernel files are compiled with -fsanitize=thread, which makes the
// compiler call the functions below on every load and store; this takes the place of libtsan.

#include <link.h>

#include <algorithm>
#include <vector>

#include "machine.h"
#include "profiler.h"
#include "streams.h"

namespace cuda_sim {
namespace {

bool tracked = false;
bool stopped = false;

/// Memory of the program and its libraries: constants, and the simulator's own variables.
class Modules {
 public:
  bool contains(uintptr_t address) {
    if (inside(address)) return true;
    if (loaded_) return false;
    dl_iterate_phdr(
        [](dl_phdr_info* info, size_t, void* self) {
          for (int i = 0; i < info->dlpi_phnum; ++i) {
            const auto& segment = info->dlpi_phdr[i];
            if (segment.p_type != PT_LOAD) continue;
            static_cast<Modules*>(self)->ranges_.push_back(
                {info->dlpi_addr + segment.p_vaddr, segment.p_memsz});
          }
          return 0;
        },
        this);
    std::sort(ranges_.begin(), ranges_.end(),
              [](const Range& a, const Range& b) { return a.begin < b.begin; });
    loaded_ = true;
    return inside(address);
  }

 private:
  struct Range {
    uintptr_t begin;
    size_t bytes;
  };
  bool inside(uintptr_t address) const {
    auto at = std::upper_bound(ranges_.begin(), ranges_.end(), address,
                               [](uintptr_t a, const Range& r) { return a < r.begin; });
    if (at == ranges_.begin()) return false;
    --at;
    return address - at->begin < at->bytes;
  }
  std::vector<Range> ranges_;
  bool loaded_ = false;
};

Modules& modules() {
  static auto* modules = new Modules;
  return *modules;
}

bool is_builtin(uintptr_t address) {
  const auto within = [address](const auto& variable) {
    return address - reinterpret_cast<uintptr_t>(&variable) < sizeof(variable);
  };
  return within(threadIdx) || within(blockIdx) || within(blockDim) || within(gridDim);
}

const char* verb(Access kind) {
  return kind == Access::Read ? "read" : kind == Access::Write ? "write" : "atomic";
}

}  // namespace

bool tracks_accesses() {
  return tracked && !stopped;
}

void stop_tracking() {
  stopped = true;
}

std::string Machine::describe_access(size_t bytes, Access kind, uintptr_t pc) const {
  return std::string(verb(kind)) + " of " + std::to_string(bytes) + " bytes at " + source_line(pc) +
         " by " + describe(*current_);
}

void Machine::fault(size_t bytes, Access kind, uintptr_t pc, const std::string& text) {
  stop(Check::Memory, describe_access(bytes, kind, pc) + ": " + text);
  wait();
}

void Machine::check_access(Shadow& shadow, uint32_t era, uintptr_t address, size_t bytes,
                           Access kind, uintptr_t pc) {
  if (kind != Access::Write && !shadow.written(address, bytes)) {
    if (sampled_blocks == 0) {
      report(Check::Initialisation,
             describe_access(bytes, kind, pc) + ": nobody has written there");
    }
    shadow.mark_written(address, bytes);
  }
  Actor me = actor_;
  me.era = era;
  shadow.for_cells(address, bytes, [&](Cell& cell) {
    const Conflict conflict = touch(cell, me, kind, pc);
    if (!conflict.found) return;
    report(Check::Race, describe_access(bytes, kind, pc) + " races with the " +
                            (conflict.other_wrote ? "write" : "read") + " at " +
                            source_line(conflict.other_pc) + " by " +
                            describe_thread(conflict.other_thread));
  });
  if (kind != Access::Read) shadow.mark_written(address, bytes);
}

void Machine::access(uintptr_t address, size_t bytes, Access kind, uintptr_t pc) {
  const Pause pause(*this);
  const auto count = [&](Profiler::Space space) {
    if (kind == Access::Atomic) {
      ++profile_->atomics;
    } else if (profiler_.on) {
      profiler_.record(actor_.warp, actor_.lane, pc, address, bytes, kind == Access::Write, space);
    }
  };
  if (memory_.owns(address)) {
    Allocation* allocation = memory_.find(address);
    if (!allocation || allocation->freed || !allocation->contains(address, bytes)) {
      return fault(bytes, kind, pc, memory_.describe(address));
    }
    check_streams(*allocation, actor_.era, kind != Access::Read);
    check_access(allocation->shadow, actor_.era, address, bytes, kind, pc);
    return count(Profiler::Space::Global);
  }
  if (current_->fiber->owns(reinterpret_cast<const void*>(address))) return;
  if (arena_.owns(address)) {
    std::string place;
    if (!arena_.contains(address, bytes, &place)) return fault(bytes, kind, pc, place);
    check_access(arena_.shadow(), blocks_run_, address, bytes, kind, pc);
    return count(Profiler::Space::Shared);
  }
  if (address - arguments_ < argument_bytes_) {
    if (kind != Access::Read) fault(bytes, kind, pc, "kernel arguments cannot be written");
    return;
  }
  if (is_builtin(address) && kind == Access::Read) return;
  if (modules().contains(address)) {
    if (kind != Access::Read) fault(bytes, kind, pc, "a variable of the host cannot be written");
    return;
  }
  if (is_pinned(address)) return;
  for (const auto& fiber : fibers_) {
    if (fiber->owns(reinterpret_cast<const void*>(address))) {
      return fault(bytes, kind, pc, "local memory of another thread");
    }
  }
  fault(bytes, kind, pc, "host memory");
}

void atomic_access(const volatile void* address, size_t bytes, const Location&) {
  Machine& machine = Machine::instance();
  if (!machine.in_kernel()) return;
  const auto at = reinterpret_cast<uintptr_t>(address);
  const auto pc = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  if (!tracks_accesses()) {
    ++machine.profile().atomics;
    return;
  }
  if (at % bytes != 0) {
    machine.stop(Check::Memory, "misaligned atomic at " + source_line(pc));
    machine.current().fiber->suspend();
  }
  machine.access(at, bytes, Access::Atomic, pc);
}

namespace {

void plain_access(void* address, size_t bytes, bool write, bool aligned, void* pc) {
  Machine& machine = Machine::instance();
  if (stopped || !machine.in_kernel()) return;
  const auto at = reinterpret_cast<uintptr_t>(address);
  const auto place = reinterpret_cast<uintptr_t>(pc);
  if (aligned && at % bytes != 0) {
    const Machine::Pause pause(machine);
    machine.stop(Check::Memory, "misaligned " + std::string(write ? "write" : "read") + " of " +
                                    std::to_string(bytes) + " bytes at " + source_line(place) +
                                    " by " + machine.describe(machine.current()));
    machine.current().fiber->suspend();
  }
  machine.access(at, bytes, write ? Access::Write : Access::Read, place);
}

}  // namespace
}  // namespace cuda_sim

extern "C" {

using cuda_sim::plain_access;

void __tsan_init() {
  cuda_sim::tracked = true;
}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}

#define CUDA_SIM_ACCESS(bytes)                                         \
  void __tsan_read##bytes(void* p) {                                   \
    plain_access(p, bytes, false, true, __builtin_return_address(0));  \
  }                                                                    \
  void __tsan_write##bytes(void* p) {                                  \
    plain_access(p, bytes, true, true, __builtin_return_address(0));   \
  }                                                                    \
  void __tsan_volatile_read##bytes(void* p) {                          \
    plain_access(p, bytes, false, true, __builtin_return_address(0));  \
  }                                                                    \
  void __tsan_volatile_write##bytes(void* p) {                         \
    plain_access(p, bytes, true, true, __builtin_return_address(0));   \
  }                                                                    \
  void __tsan_unaligned_read##bytes(void* p) {                         \
    plain_access(p, bytes, false, false, __builtin_return_address(0)); \
  }                                                                    \
  void __tsan_unaligned_write##bytes(void* p) {                        \
    plain_access(p, bytes, true, false, __builtin_return_address(0));  \
  }
CUDA_SIM_ACCESS(1)
CUDA_SIM_ACCESS(2)
CUDA_SIM_ACCESS(4)
CUDA_SIM_ACCESS(8)
CUDA_SIM_ACCESS(16)
#undef CUDA_SIM_ACCESS

void __tsan_read_range(void* p, size_t bytes) {
  plain_access(p, bytes, false, false, __builtin_return_address(0));
}
void __tsan_write_range(void* p, size_t bytes) {
  plain_access(p, bytes, true, false, __builtin_return_address(0));
}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

// Atomics of the host code in the same files, such as reference counts.
#define CUDA_SIM_HOST_ATOMICS(bits, type)                                                          \
  type __tsan_atomic##bits##_load(const volatile type* p, int) {                                   \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                   \
  }                                                                                                \
  void __tsan_atomic##bits##_store(volatile type* p, type v, int) {                                \
    __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                                      \
  }                                                                                                \
  type __tsan_atomic##bits##_exchange(volatile type* p, type v, int) {                             \
    return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                            \
  }                                                                                                \
  type __tsan_atomic##bits##_fetch_add(volatile type* p, type v, int) {                            \
    return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                                             \
  }                                                                                                \
  type __tsan_atomic##bits##_fetch_sub(volatile type* p, type v, int) {                            \
    return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST);                                             \
  }                                                                                                \
  type __tsan_atomic##bits##_fetch_or(volatile type* p, type v, int) {                             \
    return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST);                                              \
  }                                                                                                \
  type __tsan_atomic##bits##_fetch_and(volatile type* p, type v, int) {                            \
    return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST);                                             \
  }                                                                                                \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile type* p, type* c, type v, int, int) { \
    return __atomic_compare_exchange_n(p, c, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);        \
  }                                                                                                \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile type* p, type* c, type v, int, int) {   \
    return __atomic_compare_exchange_n(p, c, v, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);         \
  }
CUDA_SIM_HOST_ATOMICS(8, uint8_t)
CUDA_SIM_HOST_ATOMICS(16, uint16_t)
CUDA_SIM_HOST_ATOMICS(32, uint32_t)
CUDA_SIM_HOST_ATOMICS(64, uint64_t)
#undef CUDA_SIM_HOST_ATOMICS
void __tsan_atomic_thread_fence(int) {}
void __tsan_atomic_signal_fence(int) {}

}  // extern "C"
