#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

/// The one door to threads of the CPU's kernels.
namespace kestrel {

/// Processors that this process may use, by its affinity and the limit of its container.
int usable_cores();

/// Threads that parallel_for may use when called from this thread: OMP_NUM_THREADS in the
/// environment, else usable_cores(), until it is set.
int num_threads();

/// Sets the number of threads for parallel loops started from the calling thread.
void set_num_threads(int threads);

namespace detail {

/// Calls f(context, chunk) for each chunk in [0, chunks). Chunks are begun in ascending order.
void run_chunks(int64_t chunks, void (*f)(void* context, int64_t chunk), void* context);

}  // namespace detail

/// Calls f(begin, end) over chunks of [0, n) of at most `grain` items, on several threads, in no
/// particular order. The chunks depend on n and grain alone, never on the number of threads, so a
/// result written per chunk is deterministic. An exception in f is rethrown in the caller: that of
/// the first chunk that threw, as in a plain loop.
///
/// The caller takes chunks itself, and waits only for chunks that a worker has begun: a worker that
/// gets no core takes no part. Loops of several threads at a time share the usable cores. A loop
/// within a loop runs on the thread that it is called from.
template <class F>
void parallel_for(int64_t n, int64_t grain, F&& f) {
  if (n <= 0) return;
  grain = std::clamp<int64_t>(grain, 1, n);
  auto chunk = [&](int64_t c) { f(c * grain, std::min(n, (c + 1) * grain)); };
  detail::run_chunks((n - 1) / grain + 1,
                     [](void* context, int64_t c) { (*static_cast<decltype(chunk)*>(context))(c); },
                     std::addressof(chunk));
}

}  // namespace kestrel
