#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include <kestrel/kernels/common/broadcast.h>
#include <kestrel/kernels/parallel.h>

/// Operands that broadcast, read tile by tile: what is computed from them sees neighbours only.
namespace kestrel::cpu {

inline constexpr int64_t kTile = 1024;

/// Calls f(begin, end) for tiles of [0, n), on several threads.
template <class F>
void for_tiles(int64_t n, F f) {
  constexpr int64_t kTilesPerTask = 32;
  parallel_for(n, kTile * kTilesPerTask, [=](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i += kTile) f(i, std::min(last, i + kTile));
  });
}

/// The values of operand k for elements [begin, end) of the result, as A: in place, or in `tile`.
template <class A, int K, class T>
const A* read_tile(const Broadcast<K>& broadcast, int k, const T* data, int64_t begin, int64_t end,
                   A* tile) {
  if constexpr (std::is_same_v<A, T>) {
    if (broadcast.is_whole(k)) return data + begin;
  }
  const int last = broadcast.dims - 1;
  const int64_t row = broadcast.sizes[last];
  int64_t at[K];
  A* to = tile;
  for (int64_t i = begin; i < end;) {
    broadcast.locate(i, at);
    const int64_t count = std::min(end - i, row - i % row);
    const T* from = data + at[k];
    if (broadcast.strides[k][last] == 0) {
      std::fill(to, to + count, static_cast<A>(*from));
    } else {
      std::transform(from, from + count, to, [](T value) { return static_cast<A>(value); });
    }
    to += count;
    i += count;
  }
  return tile;
}

}  // namespace kestrel::cpu
