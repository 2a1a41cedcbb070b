#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <utility>

namespace kestrel {

/// Large blocks of host memory from ranges of pages that are split and joined again, so that a
/// freed block serves one of any other size. Not thread-safe.
class HostArena {
 public:
  /// What a block takes: whole grains.
  static size_t rounded(size_t bytes);

  /// A block of a rounded size from the ranges that are free: the smallest that it fits in. Null
  /// where there is none.
  void* take(size_t size);
  /// The same from the system; null where it has none.
  void* take_from_system(size_t size);
  /// Gives a block back to the arena.
  void give(void* memory, size_t size);
  /// Gives free ranges back to the system.
  void release() noexcept;
  size_t free_bytes() const { return free_bytes_; }

 private:
  std::map<std::byte*, size_t> ranges_;              // free ones, by address
  std::set<std::pair<size_t, std::byte*>> by_size_;  // the same
  size_t free_bytes_ = 0;
  std::byte* edge_ = nullptr;  // where the range begins that was mapped last
};

}  // namespace kestrel
