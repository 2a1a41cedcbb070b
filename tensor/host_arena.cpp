#include <kestrel/tensor/host_arena.h>

#include <sys/mman.h>

#include <cstdint>
#include <iterator>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#endif

namespace kestrel {
namespace {

constexpr size_t kGrain = size_t{64} << 10;
constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

size_t HostArena::rounded(size_t bytes) {
  return (bytes + kGrain - 1) / kGrain * kGrain;
}

void* HostArena::take(size_t size) {
  const auto found = by_size_.lower_bound({size, nullptr});
  if (found == by_size_.end()) return nullptr;
  const auto [range, begin] = *found;
  // Nothing is allocated here: taking a block does not fail halfway.
  auto entry = by_size_.extract(found);
  auto place = ranges_.extract(begin);
  if (range > size) {
    entry.value() = {range - size, begin + size};
    place.key() = begin + size;
    place.mapped() = range - size;
    by_size_.insert(std::move(entry));
    ranges_.insert(std::move(place));
  }
  free_bytes_ -= size;
  ASAN_UNPOISON_MEMORY_REGION(begin, size);
  return begin;
}

void* HostArena::take_from_system(size_t size) {
  constexpr int kAccess = PROT_READ | PROT_WRITE, kKind = MAP_PRIVATE | MAP_ANONYMOUS;
  const size_t spare = size >= 2 * kHugePage ? kHugePage : 0;  // to begin with a whole huge page
  void* memory = ::mmap(nullptr, size + spare, kAccess, kKind, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  if (spare == 0) return memory;
  const size_t skipped = (kHugePage - reinterpret_cast<uintptr_t>(memory) % kHugePage) % kHugePage;
  std::byte* begin = static_cast<std::byte*>(memory) + skipped;
  if (skipped > 0) ::munmap(memory, skipped);
  ::munmap(begin + size, spare - skipped);
  ::madvise(begin, size, MADV_HUGEPAGE);
  return begin;
}

void HostArena::give(void* memory, size_t size) {
  auto* begin = static_cast<std::byte*>(memory);
  free_bytes_ += size;
  ASAN_POISON_MEMORY_REGION(begin, size);
  auto after = ranges_.lower_bound(begin);
  if (after != ranges_.end() && after->first == begin + size) {
    size += after->second;
    by_size_.erase({after->second, after->first});
    after = ranges_.erase(after);
  }
  if (after != ranges_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == begin) {
      begin = before->first;
      size += before->second;
      by_size_.erase({before->second, before->first});
      ranges_.erase(before);
    }
  }
  ranges_.emplace(begin, size);
  by_size_.emplace(size, begin);
}

void HostArena::release() noexcept {
  for (const auto& [begin, size] : ranges_) {
    ASAN_UNPOISON_MEMORY_REGION(begin, size);
    ::munmap(begin, size);
  }
  ranges_.clear();
  by_size_.clear();
  free_bytes_ = 0;
}

}  // namespace kestrel
