#include <kestrel/tensor/host_arena.h>

#include <sys/mman.h>

#include <algorithm>
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
  // The arena grows at its lower end, by what the free range there lacks: ranges that touch join.
  const auto lowest = ranges_.begin();
  const bool at_edge = lowest != ranges_.end() && lowest->first == edge_;
  if (edge_) {
    const size_t lacks = size - (at_edge ? std::min(size, lowest->second) : 0);
    std::byte* begin = edge_ - lacks;
    void* memory = ::mmap(begin, lacks, kAccess, kKind | MAP_FIXED_NOREPLACE, -1, 0);
    if (memory == begin) {
      ::madvise(begin, lacks, MADV_HUGEPAGE);
      edge_ = begin;
      give(begin, lacks);
      return take(size);
    }
    if (memory != MAP_FAILED) ::munmap(memory, lacks);  // by a kernel that takes it for a hint
  }
  void* memory = ::mmap(nullptr, size, kAccess, kKind, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  ::madvise(memory, size, MADV_HUGEPAGE);
  edge_ = static_cast<std::byte*>(memory);
  return memory;
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
  if (!ranges_.empty() && ranges_.begin()->first == edge_) edge_ += ranges_.begin()->second;
  for (const auto& [begin, size] : ranges_) {
    ASAN_UNPOISON_MEMORY_REGION(begin, size);
    ::munmap(begin, size);
  }
  ranges_.clear();
  by_size_.clear();
  free_bytes_ = 0;
}

}  // namespace kestrel
