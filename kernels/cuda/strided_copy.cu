#include <kestrel/kernels/strided_copy.h>

#include <kestrel/kernels/common/strided_copy_checks.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/words.h>

namespace kestrel::gpu {
namespace {

template <class Word>
__global__ void strided_copy_kernel(int64_t n, Walk walk, const Word* from, Word* to) {
  for (const int64_t i : grid_stride(n)) {
    int64_t source, target;
    walk.locate(i, source, target);
    to[target] = from[source];
  }
}

/// The walk by words of `count` elements, of which its inner loop has whole ones on both sides.
Walk by_words(Walk walk, int64_t count) {
  const int last = walk.dims - 1;
  walk.from_start /= count;
  walk.to_start /= count;
  for (int d = 0; d < last; ++d) {
    walk.from_strides[d] /= count;
    walk.to_strides[d] /= count;
  }
  if (last >= 0) walk.sizes[last] /= count;
  return walk;
}

/// Joins, by |, the sizes in elements that a word must divide; 1 where values do not lie side by
/// side.
uint64_t granularity(const Walk& walk) {
  const int last = walk.dims - 1;
  if (last < 0 || walk.from_strides[last] != 1 || walk.to_strides[last] != 1) return 1;
  int64_t all = walk.from_start | walk.to_start | walk.sizes[last];
  for (int d = 0; d < last; ++d) all |= walk.from_strides[d] | walk.to_strides[d];
  return static_cast<uint64_t>(all);
}

}  // namespace

void strided_copy(ConstView from, View to, const Walk& walk, Stream stream) {
  check_strided_copy(from, to, walk);
  if (walk.numel() == 0) return;
  const auto size = static_cast<uint64_t>(size_of(from.dtype));
  visit_word(reinterpret_cast<uintptr_t>(from.data) | reinterpret_cast<uintptr_t>(to.data) |
                 granularity(walk) * size,
             [&]<class Word>(Word) {
               const Walk words = by_words(walk, static_cast<int64_t>(sizeof(Word) / size));
               launch_1d(strided_copy_kernel<Word>, words.numel(), stream, words,
                         static_cast<const Word*>(from.data), static_cast<Word*>(to.data));
             });
}

}  // namespace kestrel::gpu
