#include "peak.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include <hwy/targets.h>

#include <kestrel/kernels/parallel.h>
#include <kestrel/tensor/tensor.h>

#include "peak_cuda.h"

namespace kestrel::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// The best of some runs of f, in seconds.
template <class F>
double best_seconds(int runs, F f) {
  double best = 1e30;
  for (int i = 0; i < runs; ++i) {
    const auto begin = Clock::now();
    f();
    best = std::min(best, seconds_since(begin));
  }
  return best;
}

constexpr int kChains = 12;  // Latency times ports of current cores is 8 to 10.

// This file is compiled with -ffp-contract=fast: x * m + a is one instruction.
#define KESTREL_MULTIPLY_ADDS(name, isa, bytes)                                               \
  __attribute__((target(isa))) float name(int64_t rounds) {                                   \
    typedef float Lanes __attribute__((vector_size(bytes)));                                  \
    Lanes chain[kChains];                                                                     \
    _Pragma("GCC unroll 12") for (int c = 0; c < kChains; ++c) chain[c] =                     \
        Lanes{} + static_cast<float>(c + 2);                                                  \
    const Lanes m = Lanes{} + 0.999F, a = Lanes{} + 1e-3F;                                    \
    for (int64_t r = 0; r < rounds; ++r) {                                                    \
      _Pragma("GCC unroll 12") for (int c = 0; c < kChains; ++c) chain[c] = chain[c] * m + a; \
    }                                                                                         \
    float sum = 0;                                                                            \
    _Pragma("GCC unroll 12") for (int c = 0; c < kChains; ++c) sum += chain[c][0];            \
    return sum;                                                                               \
  }
KESTREL_MULTIPLY_ADDS(multiply_adds_avx512, "avx512f", 64)
KESTREL_MULTIPLY_ADDS(multiply_adds_avx2, "avx2,fma", 32)
#undef KESTREL_MULTIPLY_ADDS

}  // namespace

double cpu_flops(double scale) {
  const bool wide = (hwy::SupportedTargets() & HWY_AVX3) != 0;
  const auto rounds = static_cast<int64_t>(2e7 * scale);
  const int threads = num_threads();
  std::vector<float> sums(static_cast<size_t>(threads));
  const double seconds = best_seconds(5, [&] {
    parallel_for(threads, 1, [&](int64_t i, int64_t) {
      sums[static_cast<size_t>(i)] =
          wide ? multiply_adds_avx512(rounds) : multiply_adds_avx2(rounds);
    });
  });
  return 2.0 * kChains * (wide ? 16 : 8) * static_cast<double>(rounds) * threads / seconds;
}

namespace {

/// a[i] = b[i] + s * c[i] over arrays far larger than caches (McCalpin's triad).
double cpu_bytes(double scale) {
  const auto n = static_cast<int64_t>(6.4e7 * scale);
  const int64_t grain = n / (num_threads() * 4) + 1;
  std::vector<float> a(static_cast<size_t>(n)), b(a), c(a);
  const double seconds = best_seconds(5, [&] {
    parallel_for(n, grain, [&](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) a.data()[i] = b.data()[i] + 0.5F * c.data()[i];
    });
  });
  return 3.0 * 4.0 * static_cast<double>(n) / seconds;
}

}  // namespace

Peak measure_peak(Device device, double scale) {
  if (device.is_cuda()) return measure_cuda_peak(device, scale);
  return {.flops = cpu_flops(scale), .tensor_flops = {}, .bytes = cpu_bytes(scale)};
}

}  // namespace kestrel::bench
