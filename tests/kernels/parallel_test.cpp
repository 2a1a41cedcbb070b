#include <kestrel/kernels/parallel.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <latch>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace kestrel {
namespace {

/// Runs f in a thread of its own, with that number of threads for loops.
template <class F>
std::jthread with_threads(int threads, F f) {
  return std::jthread([threads, f] {
    set_num_threads(threads);
    f();
  });
}

/// The chunks of a loop, sorted.
std::set<std::pair<int64_t, int64_t>> chunks_of(int64_t n, int64_t grain, int threads) {
  std::mutex mutex;
  std::set<std::pair<int64_t, int64_t>> chunks;
  with_threads(threads, [&] {
    parallel_for(n, grain, [&](int64_t begin, int64_t end) {
      const std::lock_guard lock(mutex);
      EXPECT_TRUE(chunks.emplace(begin, end).second) << "twice: " << begin;
    });
  }).join();
  return chunks;
}

TEST(Parallel, ChunksDependOnSizeAndGrainAlone) {
  const std::set<std::pair<int64_t, int64_t>> expected = {{0, 4}, {4, 8}, {8, 10}};
  for (const int threads : {1, 2, 5}) EXPECT_EQ(chunks_of(10, 4, threads), expected) << threads;
  EXPECT_EQ(chunks_of(3, 0, 2).size(), 3u);
  EXPECT_EQ(chunks_of(3, int64_t{1} << 62, 2).size(), 1u);
  EXPECT_TRUE(chunks_of(0, 4, 2).empty());
  EXPECT_TRUE(chunks_of(-5, 4, 2).empty());
}

TEST(Parallel, ThreadsWorkAtTheSameTime) {
  // Each chunk waits until all have been begun.
  std::latch begun(3);
  with_threads(3, [&] {
    parallel_for(3, 1, [&](int64_t, int64_t) { begun.arrive_and_wait(); });
  }).join();
  EXPECT_TRUE(begun.try_wait());
}

TEST(Parallel, LoopEndsWithoutWorkersThatDoNotCome) {
  // Three workers are stuck. A loop that would like to have them, or others, has to end all the
  // same.
  std::latch stuck(4), release(1);
  std::jthread blocked = with_threads(4, [&] {
    parallel_for(4, 1, [&](int64_t, int64_t) {
      stuck.count_down();
      release.wait();
    });
  });
  stuck.wait();
  std::atomic<int> done = 0;
  with_threads(8, [&] { parallel_for(100, 1, [&](int64_t, int64_t) { ++done; }); }).join();
  EXPECT_EQ(done, 100);
  EXPECT_FALSE(release.try_wait());
  release.count_down();
}

TEST(Parallel, LoopsShareTheCores) {
  constexpr int kCallers = 6;
  std::atomic<int> running = 0, most = 0;
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < kCallers; ++i) {
      callers.push_back(with_threads(usable_cores(), [&] {
        for (int loop = 0; loop < 20; ++loop) {
          parallel_for(64, 1, [&](int64_t, int64_t) {
            const int now = ++running;
            for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
            }
            std::this_thread::yield();
            --running;
          });
        }
      }));
    }
  }
  EXPECT_LE(most, kCallers + usable_cores() - 1);
}

TEST(Parallel, FirstErrorIsRethrown) {
  for (const int threads : {1, 4}) {
    std::string message;
    with_threads(threads, [&] {
      try {
        parallel_for(100, 1, [](int64_t i, int64_t) {
          if (i >= 10) throw std::runtime_error("item " + std::to_string(i));
        });
      } catch (const std::runtime_error& error) {
        message = error.what();
      }
    }).join();
    EXPECT_EQ(message, "item 10");
  }
  EXPECT_EQ(chunks_of(100, 1, 4).size(), 100u);
}

TEST(Parallel, NestedLoopStaysOnItsThread) {
  std::atomic<int> elsewhere = 0, items = 0;
  with_threads(4, [&] {
    parallel_for(8, 1, [&](int64_t, int64_t) {
      const auto outer = std::this_thread::get_id();
      parallel_for(8, 1, [&](int64_t, int64_t) {
        ++items;
        if (std::this_thread::get_id() != outer) ++elsewhere;
      });
    });
  }).join();
  EXPECT_EQ(items, 64);
  EXPECT_EQ(elsewhere, 0);
}

TEST(Parallel, NumberOfThreadsIsTheCallersOwn) {
  int before = 0, other = 0;
  with_threads(7, [&] {
    before = num_threads();
    std::jthread([&] { other = num_threads(); }).join();
  }).join();
  EXPECT_EQ(before, 7);
  EXPECT_NE(other, 7);
  with_threads(-3, [&] { before = num_threads(); }).join();
  EXPECT_EQ(before, 1);
}

TEST(Parallel, ManyLoopsAtATimeGiveTheirOwnSums) {
  std::vector<std::jthread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.push_back(with_threads(3, [caller] {
      for (int loop = 0; loop < 300; ++loop) {
        std::vector<int64_t> parts(17);
        parallel_for(17 * 4, 4, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) parts[static_cast<size_t>(begin / 4)] += i + caller;
        });
        int64_t sum = 0;
        for (const int64_t part : parts) sum += part;
        ASSERT_EQ(sum, 68 * 67 / 2 + 68 * caller);
      }
    }));
  }
}

#ifndef __SANITIZE_THREAD__  // which forbids threads in a fork of a program that has some
TEST(Parallel, ForkHasThreadsOfItsOwn) {
  set_num_threads(3);
  parallel_for(8, 1, [](int64_t, int64_t) {});
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    std::latch begun(3);
    parallel_for(3, 1, [&](int64_t, int64_t) { begun.arrive_and_wait(); });
    _exit(7);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7);
  set_num_threads(usable_cores());
}
#endif

}  // namespace
}  // namespace kestrel
