#pragma once

#include <cstdint>

#include <kestrel/kernels/cuda/pack.h>

namespace kestrel::gpu {

/// Calls f(Word{}) with the largest word, of at most 16 bytes, that all of the addresses and sizes
/// in bytes, joined by |, are multiples of.
template <class F>
void visit_word(uint64_t bytes, F&& f) {
  if (bytes % 16 == 0) return f(Pack<uint32_t>{});
  if (bytes % 8 == 0) return f(uint64_t{});
  if (bytes % 4 == 0) return f(uint32_t{});
  if (bytes % 2 == 0) return f(uint16_t{});
  f(uint8_t{});
}

}  // namespace kestrel::gpu
