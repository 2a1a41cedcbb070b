// Warp operations beyond shuffles, tensor cores and asynchronous copies.

#include <cstring>

#include "machine.h"
#include "profiler.h"

namespace cuda_sim {

void barrier(const Location& where) {
  Machine::instance().barrier(where);
}
int barrier_reduce(int predicate, char operation, const Location& where) {
  return Machine::instance().barrier_reduce(predicate, operation, where);
}
void sync_warp(uint32_t mask, const Location& where) {
  Machine::instance().sync_warp(mask, where);
}
uint32_t lane_id() {
  return Machine::instance().current().lane();
}
void* shared_object(const void* key, const char* name, size_t bytes, size_t alignment) {
  return Machine::instance().shared_object(key, name, bytes, alignment);
}
void* dynamic_shared_memory() {
  return Machine::instance().dynamic_shared();
}

void shuffle(const char* operation, uint32_t mask, const void* value, void* result, size_t bytes,
             int source, const Location& where) {
  Machine& machine = Machine::instance();
  const Exchange& all = machine.exchange(operation, mask, value, bytes, where);
  const Machine::Pause pause(machine);
  if (source >= 0 && (mask >> source & 1u) == 0) {
    machine.report(Check::Synchronisation,
                   std::string(operation) + " at " + to_string(where) + ": " +
                       machine.describe(machine.current()) + " asks for the value of lane " +
                       std::to_string(source) + ", which is not in the mask");
    source = -1;
  }
  std::memcpy(result, source < 0 ? value : all.value[source], bytes);
}

namespace {

constexpr uint32_t kFull = 0xffffffffu;

const Exchange& exchange(const char* operation, uint32_t mask, const void* value, size_t bytes,
                         const Location& where) {
  return Machine::instance().exchange(operation, mask, value, bytes, where);
}

template <class T>
T value_of(const Exchange& all, uint32_t lane) {
  T value;
  std::memcpy(&value, all.value[lane], sizeof(T));
  return value;
}

template <class T, class F>
T reduce(const char* name, uint32_t mask, T value, const Location& where, F join) {
  const Exchange& all = exchange(name, mask, &value, sizeof(T), where);
  bool first = true;
  T result{};
  for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
    if ((mask >> lane & 1u) == 0) continue;
    const T other = value_of<T>(all, lane);
    result = first ? other : join(result, other);
    first = false;
  }
  return result;
}

float bfloat16_at(uint32_t word, uint32_t half) {
  const uint32_t bits = (half ? word >> 16 : word & 0xffffu) << 16;
  return __builtin_bit_cast(float, bits);
}

float float16_at(uint32_t word, uint32_t half) {
  const auto bits = static_cast<uint16_t>(half ? word >> 16 : word & 0xffffu);
  return static_cast<float>(__builtin_bit_cast(_Float16, bits));
}

/// The 10 bits of mantissa that tensor cores read of a float.
float tf32_at(uint32_t word, uint32_t) {
  return __builtin_bit_cast(float, word & 0xffffe000u);
}

struct Fragments {
  uint32_t a[4];
  uint32_t b[2];
};

// PTX ISA, "Matrix fragments for mma.m16n8k16" (bf16 and f16) and "m16n8k8" (tf32). A row of a, and
// a column of b, is eight words of one or two values: with group = lane / 4 and t = lane % 4, a0
// holds word t of row group, a1 of row group + 8; a2 and a3 word t + 4 of the same rows; b0 word t
// of column group, b1 word t + 4; c0 and c1 row group, columns 2t and 2t + 1; c2, c3 row group + 8.
template <uint32_t kPerWord, float (*value_at)(uint32_t word, uint32_t half)>
void multiply(const char* operation, float* d, const uint32_t* a, const uint32_t* b, const float* c,
              const Location& where) {
  constexpr uint32_t kDepth = 8 * kPerWord;
  Fragments mine;
  std::memcpy(mine.a, a, sizeof(mine.a));
  std::memcpy(mine.b, b, sizeof(mine.b));
  const Exchange& all = exchange(operation, kFull, &mine, sizeof(mine), where);
  const uint32_t lane = lane_id();
  float rows[2][kDepth], columns[2][kDepth];  // the two of each that this lane multiplies
  for (uint32_t t = 0; t < 4; ++t) {
    const auto left = value_of<Fragments>(all, lane / 4 * 4 + t);
    for (uint32_t i = 0; i < 2; ++i) {
      const auto right = value_of<Fragments>(all, (lane % 4 * 2 + i) * 4 + t);
      for (uint32_t word = t; word < 8; word += 4) {
        for (uint32_t half = 0; half < kPerWord; ++half) {
          const uint32_t k = word * kPerWord + half;
          rows[i][k] = value_at(left.a[i + word / 4 * 2], half);
          columns[i][k] = value_at(right.b[word / 4], half);
        }
      }
    }
  }
  for (uint32_t i = 0; i < 4; ++i) {
    float sum = c[i];
    for (uint32_t k = 0; k < kDepth; ++k) sum += rows[i / 2][k] * columns[i % 2][k];
    d[i] = sum;
  }
}

}  // namespace

void mma_m16n8k16_bf16(float* d, const uint32_t* a, const uint32_t* b, const float* c,
                       Location where) {
  multiply<2, bfloat16_at>("mma.m16n8k16", d, a, b, c, where);
}
void mma_m16n8k16_f16(float* d, const uint32_t* a, const uint32_t* b, const float* c,
                      Location where) {
  multiply<2, float16_at>("mma.m16n8k16", d, a, b, c, where);
}
void mma_m16n8k8_tf32(float* d, const uint32_t* a, const uint32_t* b, const float* c,
                      Location where) {
  multiply<1, tf32_at>("mma.m16n8k8", d, a, b, c, where);
}

// Four 8x8 matrices of 16-bit values; lane l gives the row l % 8 of matrix l / 8. Register i of
// lane l receives of matrix i the row l / 4, columns 2 (l % 4) and the next; transposed: the column
// l / 4.
void ldmatrix_x4(uint32_t* registers, const void* row, bool transposed, Location where) {
  Machine& machine = Machine::instance();
  const auto pc = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  struct Row {
    uint16_t values[8];
  };
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0) {
    const Machine::Pause pause(machine);
    machine.stop(Check::Memory,
                 "ldmatrix of a row that is not a multiple of 16 bytes at " + to_string(where));
    machine.current().fiber->suspend();
  }
  if (tracks_accesses()) {
    machine.access(reinterpret_cast<uintptr_t>(row), sizeof(Row), Access::Read, pc);
  }
  const Row mine = *static_cast<const Row*>(row);
  const Exchange& all = exchange("ldmatrix", kFull, &mine, sizeof(mine), where);
  const uint32_t lane = lane_id();
  for (uint32_t matrix = 0; matrix < 4; ++matrix) {
    uint16_t pair[2];
    for (uint32_t half = 0; half < 2; ++half) {
      const uint32_t along = lane % 4 * 2 + half;
      const uint32_t across = lane / 4;
      const auto source = value_of<Row>(all, matrix * 8 + (transposed ? along : across));
      pair[half] = source.values[transposed ? across : along];
    }
    registers[matrix] = pair[0] | static_cast<uint32_t>(pair[1]) << 16;
  }
}

// The copy happens when it is waited for: what is read before that is not there yet.
void cp_async_16(void* to_shared, const void* from_global, bool valid, Location where) {
  Machine& machine = Machine::instance();
  const Machine::Pause pause(machine);
  const auto to = reinterpret_cast<uintptr_t>(to_shared);
  const auto from = reinterpret_cast<uintptr_t>(from_global);
  if (to % 16 != 0 || (valid && from % 16 != 0)) {
    machine.stop(Check::Memory,
                 "cp.async of 16 bytes between addresses that are not multiples of 16 at " +
                     to_string(where));
    machine.current().fiber->suspend();
  }
  machine.current().uncommitted.push_back({to_shared, from_global, valid, where});
}

void cp_async_commit() {
  Machine& machine = Machine::instance();
  const Machine::Pause pause(machine);
  Thread& thread = machine.current();
  thread.groups.push_back(std::move(thread.uncommitted));
  thread.uncommitted.clear();
}

void cp_async_wait(int pending_groups) {
  Machine& machine = Machine::instance();
  Thread& thread = machine.current();
  const auto pc = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  while (thread.groups.size() > static_cast<size_t>(pending_groups)) {
    std::vector<Thread::AsyncCopy> group;
    {
      const Machine::Pause pause(machine);
      group = std::move(thread.groups.front());
      thread.groups.erase(thread.groups.begin());
    }
    for (const Thread::AsyncCopy& copy : group) {
      if (tracks_accesses()) {
        if (copy.valid) {
          machine.access(reinterpret_cast<uintptr_t>(copy.from), 16, Access::Read, pc);
        } else if (profiler().on) {
          profiler().skip(machine.current().linear / kWarpSize, lane_id(), pc, false);
        }
        machine.access(reinterpret_cast<uintptr_t>(copy.to), 16, Access::Write, pc);
      }
      if (copy.valid) {
        std::memcpy(copy.to, copy.from, 16);
      } else {
        std::memset(copy.to, 0, 16);
      }
    }
  }
}

}  // namespace cuda_sim

unsigned __ballot_sync(unsigned mask, int predicate, cuda_sim::Location where) {
  unsigned votes = predicate != 0 ? 1u << cuda_sim::lane_id() : 0u;
  return cuda_sim::reduce("__ballot_sync", mask, votes, where,
                          [](unsigned a, unsigned b) { return a | b; });
}
unsigned __match_any_sync(unsigned mask, unsigned long long value, cuda_sim::Location where) {
  const cuda_sim::Exchange& all =
      cuda_sim::exchange("__match_any_sync", mask, &value, sizeof(value), where);
  unsigned equal = 0;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1u) != 0 && cuda_sim::value_of<unsigned long long>(all, lane) == value) {
      equal |= 1u << lane;
    }
  }
  return equal;
}
int __reduce_add_sync(unsigned mask, int value, cuda_sim::Location where) {
  return cuda_sim::reduce("__reduce_add_sync", mask, value, where,
                          [](int a, int b) { return a + b; });
}
int __reduce_max_sync(unsigned mask, int value, cuda_sim::Location where) {
  return cuda_sim::reduce("__reduce_max_sync", mask, value, where,
                          [](int a, int b) { return a < b ? b : a; });
}
int __reduce_min_sync(unsigned mask, int value, cuda_sim::Location where) {
  return cuda_sim::reduce("__reduce_min_sync", mask, value, where,
                          [](int a, int b) { return b < a ? b : a; });
}
