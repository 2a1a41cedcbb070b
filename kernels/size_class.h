#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>

namespace kestrel {

/// What a caching allocator rounds a size up to: at most an eighth is wasted, and sizes that differ
/// a little meet. A multiple of 64 bytes.
constexpr size_t size_class(size_t bytes) {
  constexpr size_t kAlignment = 64;
  if (bytes <= 512) return (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  const size_t step = std::bit_floor(bytes - 1) / 8;
  return (bytes + step - 1) / step * step;
}

}  // namespace kestrel
