#pragma once

#include <bit>
#include <cstdint>

#include <kestrel/kernels/common/host_device.h>

namespace kestrel {

/// A number that is smaller for a higher score: ascending keys are descending scores. NaN comes
/// last, and 0 and -0 are equal.
KESTREL_HOST_DEVICE inline uint32_t descending_key(float score) {
  if (score != score) return 0xffffffffu;
  const auto bits = std::bit_cast<uint32_t>(score + 0.0f);
  return (bits & 0x80000000u) != 0 ? bits : ~(bits | 0x80000000u);
}

/// Sorts by descending score, then ascending index; index below 2^32.
KESTREL_HOST_DEVICE inline uint64_t descending_key(float score, int64_t index) {
  return static_cast<uint64_t>(descending_key(score)) << 32 | static_cast<uint64_t>(index);
}

KESTREL_HOST_DEVICE inline int64_t index_of_key(uint64_t key) {
  return static_cast<int64_t>(key & 0xffffffffu);
}

}  // namespace kestrel
