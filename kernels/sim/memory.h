#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tracker.h"

namespace cuda_sim {

/// One cudaMalloc.
struct Allocation {
  uintptr_t begin = 0;
  size_t bytes = 0;
  uint64_t number = 0;
  bool freed = false;
  Shadow shadow;
  // The last operation on streams that wrote or read any of it, for the check of streams.
  uint32_t last_writer = 0;
  std::vector<uint32_t> last_readers;

  Allocation(uintptr_t begin_, size_t bytes_, uint64_t number_)
      : begin(begin_), bytes(bytes_), number(number_), shadow(begin_, bytes_) {}
  bool contains(uintptr_t address, size_t size) const {
    return address >= begin && address + size <= begin + bytes;
  }
};

/// Device memory: a range of addresses of its own, which the host cannot touch except while Open
/// exists. Freed addresses are not used again, so that stale pointers are seen.
class DeviceMemory {
 public:
  DeviceMemory();

  /// Null where the device is full. Filled with 0xFF.
  void* allocate(size_t bytes);
  /// False where there is no such allocation.
  bool free(void* memory);
  bool owns(uintptr_t address) const { return address - base_ < kReserved; }
  /// The allocation at or before an address, freed or not; null if there is none.
  Allocation* find(uintptr_t address);
  size_t total() const { return total_; }
  size_t used() const { return used_; }
  /// "4 bytes behind allocation 7 (400 bytes)".
  std::string describe(uintptr_t address);

  class Open {
   public:
    explicit Open(DeviceMemory& memory) : memory_(memory) { memory_.open(); }
    ~Open() { memory_.close(); }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;

   private:
    DeviceMemory& memory_;
  };

 private:
  static constexpr size_t kReserved = size_t{256} << 30;
  static constexpr size_t kPage = 4096;
  void open();
  void close();

  uintptr_t base_ = 0;
  uintptr_t next_ = 0;  // first address never used
  int open_ = 0;
  int key_ = -1;  // of memory protection keys, where the CPU has them
  size_t total_ = 0;
  size_t used_ = 0;
  uint64_t count_ = 0;
  std::map<uintptr_t, std::unique_ptr<Allocation>> allocations_;
  std::map<uintptr_t, size_t>
      live_;  // where those that are not freed begin, and their pages' bytes
  std::array<Allocation*, 256> found_{};  // by page: what find() gave last
};

DeviceMemory& device_memory();

/// Shared memory of the block that runs: objects with gaps between them, in the order of their
/// first use, and the dynamic part.
class SharedArena {
 public:
  static constexpr size_t kStaticLimit = 48 << 10;
  static constexpr size_t kLimit = 227 << 10;

  SharedArena();
  /// Empty, unwritten, with `dynamic_bytes` of dynamic memory.
  void reset(size_t dynamic_bytes);
  /// The same for every thread of the block; null where there is no room.
  void* object(const void* key, const char* name, size_t bytes, size_t alignment);
  void* dynamic() const;
  bool owns(uintptr_t address) const { return address - base_ < kBytes; }
  /// Whether an access lies in one object; the text says near what it is otherwise.
  bool contains(uintptr_t address, size_t bytes, std::string* text);
  Shadow& shadow() { return shadow_; }
  size_t used() const { return used_; }
  uintptr_t base() const { return base_; }

 private:
  static constexpr size_t kBytes = 512 << 10;
  static constexpr size_t kGap = 128;
  struct Object {
    const void* key;
    const char* name;
    uintptr_t begin;
    size_t bytes;
  };

  uintptr_t base_ = 0;
  uintptr_t next_ = 0;
  size_t used_ = 0;
  std::vector<Object> objects_;
  Shadow shadow_;
};

}  // namespace cuda_sim
