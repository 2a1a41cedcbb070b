#pragma once

#include <cmath>

#include <kestrel/kernels/common/host_device.h>
#include <kestrel/kernels/common/philox.h>
#include <kestrel/kernels/random.h>

/// The numbers of random.h, for one element of the output, on every device.
namespace kestrel {

/// Words [first, first + kCount) from a place on.
template <int kCount>
KESTREL_HOST_DEVICE std::array<uint32_t, kCount> words_at(const PhiloxPlace& place,
                                                          uint64_t first) {
  static_assert(kCount <= 4);
  const uint64_t at = first + static_cast<uint64_t>(place.used);
  std::array<uint32_t, 4> counter = place.counter;
  counter[0] += static_cast<uint32_t>(at / 4);
  std::array<uint32_t, 4> block = philox4x32(counter, place.key);
  std::array<uint32_t, kCount> words{};
  for (int i = 0; i < kCount; ++i) {
    const auto in_block = static_cast<size_t>((at + static_cast<uint64_t>(i)) % 4);
    if (in_block == 0 && i > 0) {
      ++counter[0];
      block = philox4x32(counter, place.key);
    }
    words[static_cast<size_t>(i)] = block[in_block];
  }
  return words;
}

/// In [0, 1), with 53 bits.
KESTREL_HOST_DEVICE inline double unit_uniform(uint32_t high, uint32_t low) {
  return static_cast<double>((uint64_t{high >> 5} << 26) | low >> 6) * 0x1p-53;
}

struct UniformNumbers {
  static constexpr int kWords = kWordsOfUniform;
  double low, high;

  KESTREL_HOST_DEVICE double operator()(const std::array<uint32_t, kWords>& w) const {
    return std::fma(high - low, unit_uniform(w[0], w[1]), low);
  }
};

struct NormalNumbers {
  static constexpr int kWords = kWordsOfNormal;
  double mean, std;

  KESTREL_HOST_DEVICE double operator()(const std::array<uint32_t, kWords>& w) const {
    constexpr double kTwoPi = 6.283185307179586;
    const double radius = std::sqrt(-2 * std::log(1 - unit_uniform(w[0], w[1])));
    return std::fma(std, radius * std::cos(kTwoPi * unit_uniform(w[2], w[3])), mean);
  }
};

}  // namespace kestrel
