#include <kestrel/tensor/allocator.h>

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

#include <kestrel/kernels/error.h>
#include <kestrel/tensor/tensor.h>

namespace kestrel {
namespace {

TEST(Allocator, AlignsToCacheLines) {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{63}, size_t{1000}, size_t{5} << 20}) {
    void* memory = allocate_host(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 64, 0u) << bytes;
    free_host(memory, bytes);
  }
}

TEST(Allocator, HandsFreedBlocksOutAgain) {
  release_cached_memory();
  void* first = allocate_host(100'000);
  free_host(first, 100'000);
  // The same size class: a block for a size that differs a little.
  void* second = allocate_host(99'900);
  EXPECT_EQ(first, second);
  free_host(second, 99'900);
}

TEST(Allocator, CountsWhatIsUsedAndCached) {
  release_cached_memory();
  const MemoryStats before = host_memory_stats();
  EXPECT_EQ(before.cached, 0u);
  void* memory = allocate_host(1 << 20);
  const MemoryStats during = host_memory_stats();
  EXPECT_GE(during.used, before.used + (1 << 20));
  EXPECT_GE(during.peak, during.used);
  free_host(memory, 1 << 20);
  const MemoryStats after = host_memory_stats();
  EXPECT_EQ(after.used, before.used);
  EXPECT_EQ(after.cached, during.used - before.used);
  release_cached_memory();
  EXPECT_EQ(host_memory_stats().cached, 0u);
}

TEST(Allocator, ServesALoopFromItsCache) {
  const auto step = [] {
    const Tensor a = Tensor::zeros({300, 1000}), b = Tensor::zeros({123});
    const Tensor c = a.clone();
    return host_memory_stats().used;
  };
  step();
  const MemoryStats first = host_memory_stats();
  for (int i = 0; i < 10; ++i) step();
  const MemoryStats last = host_memory_stats();
  EXPECT_EQ(first.cached, last.cached);
  EXPECT_EQ(first.used, last.used);
}

TEST(Allocator, WastesAnEighthAtMost) {
  release_cached_memory();
  const size_t before = host_memory_stats().used;
  for (const size_t bytes : {size_t{513}, size_t{1025}, size_t{100'001}, size_t{4'194'305}}) {
    void* memory = allocate_host(bytes);
    EXPECT_LE(host_memory_stats().used - before, bytes + bytes / 8 + 64) << bytes;
    free_host(memory, bytes);
  }
}

TEST(Allocator, TooMuchIsAnErrorThatSaysSo) {
  EXPECT_THROW(Tensor::empty({int64_t{1} << 50}, DType::UInt8), OutOfMemoryError);
}

TEST(Allocator, IsSafeFromSeveralThreads) {
  const size_t before = host_memory_stats().used;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 2000; ++i) {
        const int64_t size = 1 + (i * 37 + t) % 500;
        Tensor tensor = Tensor::empty({size}, DType::UInt8);
        tensor.data<uint8_t>()[size - 1] = static_cast<uint8_t>(t);
        ASSERT_EQ(tensor.data<uint8_t>()[size - 1], t);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(host_memory_stats().used, before);
}

}  // namespace
}  // namespace kestrel
