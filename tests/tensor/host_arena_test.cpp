#include <kestrel/tensor/host_arena.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace kestrel {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

/// A block of the arena, from the system where it has none.
void* block(HostArena& arena, size_t size) {
  void* memory = arena.take(size);
  return memory ? memory : arena.take_from_system(size);
}

TEST(HostArena, NeighboursServeALargerBlock) {
  HostArena arena;
  std::vector<void*> blocks;
  for (int i = 0; i < 4; ++i) blocks.push_back(block(arena, 3 * kMiB));
  EXPECT_EQ(arena.take(kMiB), nullptr);
  for (const int i : {2, 0, 3, 1}) arena.give(blocks[static_cast<size_t>(i)], 3 * kMiB);
  EXPECT_EQ(arena.free_bytes(), 12 * kMiB);
  void* all = arena.take(12 * kMiB);
  ASSERT_NE(all, nullptr);
  std::memset(all, 1, 12 * kMiB);
  arena.give(all, 12 * kMiB);
  arena.release();
  EXPECT_EQ(arena.free_bytes(), 0u);
  EXPECT_EQ(arena.take(kMiB), nullptr);
}

TEST(HostArena, GrowsByWhatIsLacking) {
  HostArena arena;
  void* first = block(arena, 4 * kMiB);
  void* second = block(arena, 4 * kMiB);
  arena.give(second, 4 * kMiB);
  void* large = block(arena, 10 * kMiB);
  EXPECT_EQ(arena.free_bytes(), 0u) << "the free range was not used";
  arena.give(first, 4 * kMiB);
  arena.give(large, 10 * kMiB);
  arena.release();
}

TEST(HostArena, TheSmallestRangeThatFitsIsTaken) {
  HostArena arena;
  void* memory = block(arena, 16 * kMiB);
  auto* at = static_cast<std::byte*>(memory);
  arena.give(at, 8 * kMiB);
  arena.give(at + 10 * kMiB, 2 * kMiB);
  EXPECT_EQ(arena.take(kMiB), at + 10 * kMiB);
  EXPECT_EQ(arena.take(7 * kMiB), at);
  arena.give(at + 7 * kMiB + kMiB, 2 * kMiB);  // up to the block of one MiB
  arena.give(at + 10 * kMiB, kMiB);
  arena.give(at, 7 * kMiB);
  arena.give(at + 12 * kMiB, 4 * kMiB);
  EXPECT_EQ(arena.take(16 * kMiB), memory) << "not all was joined";
  arena.give(memory, 16 * kMiB);
  arena.release();
}

TEST(HostArena, BlocksNeverOverlap) {
  HostArena arena;
  std::mt19937 random(7);
  std::vector<std::pair<uint8_t*, size_t>> blocks;
  for (int step = 0; step < 2000; ++step) {
    if (blocks.size() > 12 || (!blocks.empty() && random() % 2)) {
      std::swap(blocks[random() % blocks.size()], blocks.back());
      const auto [memory, size] = blocks.back();
      EXPECT_EQ(memory[0], memory[size - 1]) << "somebody else wrote here";
      arena.give(memory, size);
      blocks.pop_back();
    } else {
      const size_t size = HostArena::rounded(1 + random() % (4 * kMiB));
      auto* memory = static_cast<uint8_t*>(block(arena, size));
      ASSERT_NE(memory, nullptr);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(memory) % 64, 0u);
      memory[0] = memory[size - 1] = static_cast<uint8_t>(step);
      blocks.emplace_back(memory, size);
    }
  }
  for (const auto& [memory, size] : blocks) {
    EXPECT_EQ(memory[0], memory[size - 1]);
    arena.give(memory, size);
  }
  arena.release();
}

}  // namespace
}  // namespace kestrel
