#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>

#include <omp.h>

namespace kestrel {

/// Threads that parallel_for uses when called from this thread.
inline int num_threads() {
  return omp_get_max_threads();
}

/// Sets the number of threads for parallel loops started from the calling thread.
inline void set_num_threads(int threads) {
  omp_set_num_threads(std::max(1, threads));
}

/// Calls f(begin, end) over chunks of [0, n) of at most `grain` items, on several threads, in no
/// particular order. The chunks depend on n and grain alone, never on the number of threads, so a
/// result written per chunk is deterministic. An exception in f is rethrown in the caller.
template <class F>
void parallel_for(int64_t n, int64_t grain, F&& f) {
  if (n <= 0) return;
  grain = std::max<int64_t>(1, grain);
  const int64_t chunks = (n + grain - 1) / grain;
  if (chunks == 1 || omp_in_parallel() || num_threads() == 1) {
    for (int64_t c = 0; c < chunks; ++c) f(c * grain, std::min(n, (c + 1) * grain));
    return;
  }
  std::exception_ptr error;
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t c = 0; c < chunks; ++c) {
    try {
      f(c * grain, std::min(n, (c + 1) * grain));
    } catch (...) {
#pragma omp critical(kestrel_parallel_error)
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace kestrel
