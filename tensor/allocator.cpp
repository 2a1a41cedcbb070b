#include <kestrel/tensor/allocator.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include <kestrel/kernels/error.h>
#include <kestrel/kernels/size_class.h>
#include <kestrel/tensor/host_arena.h>
#include <kestrel/tensor/host_memory.h>

namespace kestrel {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kLarge = size_t{1} << 20;

class HostAllocator {
 public:
  void* allocate(size_t bytes) {
    const size_t size = taken(bytes);
    const std::lock_guard lock(mutex_);
    void* memory = from_cache(size);
    if (!memory) memory = from_system(size);
    if (!memory) {
      release_cache();
      memory = from_system(size);
    }
    if (!memory) fail_out_of_memory(bytes);
    stats_.used += size;
    stats_.peak = std::max(stats_.peak, stats_.used);
    ++blocks_[size];
    return memory;
  }

  void deallocate(void* memory, size_t bytes) noexcept {
    const size_t size = taken(bytes);
    const std::lock_guard lock(mutex_);
    stats_.used -= size;
    --blocks_[size];
    try {
      if (size >= kLarge) {
        arena_.give(memory, size);
      } else {
        cache_[size].push_back(memory);
        stats_.cached += size;
      }
    } catch (...) {
      if (size < kLarge) std::free(memory);
    }
  }

  void release() noexcept {
    const std::lock_guard lock(mutex_);
    release_cache();
  }

  MemoryStats stats() {
    const std::lock_guard lock(mutex_);
    MemoryStats stats = stats_;
    stats.cached += arena_.free_bytes();
    return stats;
  }

  void reset_peak() {
    const std::lock_guard lock(mutex_);
    stats_.peak = stats_.used;
  }

 private:
  /// What a block of so many bytes takes.
  static size_t taken(size_t bytes) {
    const size_t size = size_class(bytes);
    return size >= kLarge ? HostArena::rounded(std::max(bytes, kLarge)) : size;
  }

  void* from_cache(size_t size) {
    if (size >= kLarge) return arena_.take(size);
    const auto it = cache_.find(size);
    if (it == cache_.end() || it->second.empty()) return nullptr;
    void* memory = it->second.back();
    it->second.pop_back();
    stats_.cached -= size;
    return memory;
  }

  void* from_system(size_t size) {
    if (size < kLarge) return std::aligned_alloc(kAlignment, size);
    if (size > available_host_memory()) return nullptr;
    return arena_.take_from_system(size);
  }

  void release_cache() noexcept {
    for (auto& [size, blocks] : cache_) {
      for (void* memory : blocks) std::free(memory);
      blocks.clear();
    }
    arena_.release();
    stats_.cached = 0;
  }

  [[noreturn]] void fail_out_of_memory(size_t bytes) {
    constexpr int kShown = 4;
    std::ostringstream largest;
    int shown = 0;
    for (auto it = blocks_.rbegin(); it != blocks_.rend() && shown < kShown; ++it) {
      if (it->second == 0) continue;
      largest << (shown++ ? ", " : " (the largest: ") << it->second << " of "
              << megabytes(it->first);
    }
    if (shown) largest << ')';
    fail<OutOfMemoryError>("[memory] ", megabytes(bytes), " were asked for; tensors hold ",
                           megabytes(stats_.used), largest.str(), ", the system has ",
                           megabytes(available_host_memory()),
                           " left; use a smaller batch or image size");
  }

  static std::string megabytes(size_t bytes) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.1f MB", static_cast<double>(bytes) / (1 << 20));
    return text;
  }

  std::mutex mutex_;
  std::map<size_t, std::vector<void*>> cache_;  // small blocks
  HostArena arena_;                             // large ones
  std::map<size_t, int64_t> blocks_;            // in use, by size
  MemoryStats stats_;                           // cached: small blocks only
};

HostAllocator& host_allocator() {
  // Never destroyed: tensors with static storage may outlive it otherwise.
  static auto* allocator = new HostAllocator;
  return *allocator;
}

}  // namespace

void* allocate_host(size_t bytes) {
  return host_allocator().allocate(bytes);
}
void free_host(void* memory, size_t bytes) noexcept {
  host_allocator().deallocate(memory, bytes);
}
MemoryStats host_memory_stats() {
  return host_allocator().stats();
}
void reset_host_memory_peak() {
  host_allocator().reset_peak();
}
void release_cached_memory() {
  host_allocator().release();
}

}  // namespace kestrel
