#include <kestrel/kernels/binary.h>
#include <kestrel/kernels/common/binary_checks.h>
#include <kestrel/kernels/common/compare.h>
#include <kestrel/kernels/cpu/broadcast_tiles.h>

namespace kestrel::cpu {

void compare(CompareOp op, ConstView a, ConstView b, View out) {
  const Broadcast<2> broadcast = check_compare(a, b, out);
  visit_comparable(a.dtype, [&]<class T>(T) {
    using A = Accumulate<T>;
    const auto* pa = static_cast<const T*>(a.data);
    const auto* pb = static_cast<const T*>(b.data);
    bool* to = out.as<bool>();
    for_tiles(out.numel(), [&](int64_t begin, int64_t end) {
      A tile_a[kTile], tile_b[kTile];
      const A* x = read_tile(broadcast, 0, pa, begin, end, tile_a);
      const A* y = read_tile(broadcast, 1, pb, begin, end, tile_b);
      visit_compare(op, [&](auto holds) {
        for (int64_t i = 0; i < end - begin; ++i) to[begin + i] = holds(x[i], y[i]);
      });
    });
  });
}

void where(ConstView mask, ConstView a, ConstView b, View out) {
  const Broadcast<3> broadcast = check_where(mask, a, b, out);
  visit_width(out.dtype, [&]<class Word>(Word) {
    const bool* pm = mask.as<bool>();
    const auto* pa = static_cast<const Word*>(a.data);
    const auto* pb = static_cast<const Word*>(b.data);
    auto* to = static_cast<Word*>(out.data);
    for_tiles(out.numel(), [&](int64_t begin, int64_t end) {
      bool tile_mask[kTile];
      Word tile_a[kTile], tile_b[kTile];
      const bool* m = read_tile(broadcast, 0, pm, begin, end, tile_mask);
      const Word* x = read_tile(broadcast, 1, pa, begin, end, tile_a);
      const Word* y = read_tile(broadcast, 2, pb, begin, end, tile_b);
      for (int64_t i = 0; i < end - begin; ++i) to[begin + i] = m[i] ? x[i] : y[i];
    });
  });
}

}  // namespace kestrel::cpu
