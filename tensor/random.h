#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <kestrel/kernels/random.h>
#include <kestrel/tensor/tensor.h>

namespace kestrel {

/// A stream of random numbers named by (seed, epoch, sample): equal names give equal numbers, on
/// any thread and device; different names give independent ones.
class Philox {
 public:
  explicit Philox(uint64_t seed, uint64_t epoch = 0, uint64_t sample = 0);

  uint32_t next();
  /// Uniform in [0, 1) with 53 bits.
  double uniform();
  /// Uniform in [low, high); not inline, so that every caller gets the same rounding.
  double uniform(double low, double high);
  /// Uniform integer in [low, high), without bias. Throws where the range is empty.
  int64_t integer(int64_t low, int64_t high);
  /// Standard normal (Box-Muller).
  double normal();
  /// A random order of 0..n-1 (Fisher-Yates).
  std::vector<int64_t> permutation(int64_t n);

  /// Where the next word comes from.
  PhiloxPlace place() const;
  /// As if so many words had been drawn; not negative.
  void skip(int64_t words);

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> block_{};
  int left_ = 0;
};

/// Fill with numbers drawn from the stream, in row-major order, on their device; float32,
/// float64 or bfloat16.
void fill_uniform(Tensor& tensor, double low, double high, Philox& random);
void fill_normal(Tensor& tensor, double mean, double std, Philox& random);

}  // namespace kestrel
