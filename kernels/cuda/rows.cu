#include <kestrel/kernels/rows.h>

#include <algorithm>
#include <cstddef>

#include <kestrel/kernels/common/rows_checks.h>
#include <kestrel/kernels/copy.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/scratch.h>
#include <kestrel/kernels/cuda/sort.h>
#include <kestrel/kernels/cuda/words.h>

namespace kestrel::gpu {
namespace {

template <class Word>
__global__ void gather_rows_kernel(int64_t n, int64_t length, int64_t rows, const Word* x,
                                   const int64_t* indices, Word* out) {
  for (const int64_t i : grid_stride(n)) {
    const int64_t row = indices[i / length];
    out[i] = 0 <= row && row < rows ? x[row * length + i % length] : Word{};
  }
}

/// Row and position, such that the order of keys is that of rows, then of positions. Positions
/// without a row belong to one behind the last.
__global__ void row_keys_kernel(int64_t n, int64_t rows, const int64_t* indices, uint64_t* keys) {
  for (const int64_t i : grid_stride(n)) {
    const int64_t row = 0 <= indices[i] && indices[i] < rows ? indices[i] : rows;
    keys[i] = static_cast<uint64_t>(row) << 32 | static_cast<uint64_t>(i);
  }
}

/// n = keys x length. Where a row's keys begin, a thread per element sums up all of them.
template <class T>
__global__ void sum_rows_kernel(int64_t n, int64_t length, int64_t rows, const uint64_t* keys,
                                const T* x, T* out) {
  using A = Accumulate<T>;
  const int64_t count = n / length;
  for (const int64_t i : grid_stride(n)) {
    const int64_t first = i / length, at = i % length;
    const auto row = static_cast<int64_t>(keys[first] >> 32);
    const bool begins = first == 0 || static_cast<int64_t>(keys[first - 1] >> 32) != row;
    if (!begins || row == rows) continue;
    A total = 0;
    for (int64_t k = first; k < count && static_cast<int64_t>(keys[k] >> 32) == row; ++k) {
      const auto from = static_cast<int64_t>(keys[k] & 0xffffffffu);
      total += static_cast<A>(x[from * length + at]);
    }
    out[row * length + at] = T(total);
  }
}

}  // namespace

void gather_rows(ConstView x, ConstView indices, View out, Stream stream) {
  check_rows("gather_rows", x, indices, out);
  const int64_t bytes = row_length(x) * size_of(x.dtype);
  if (out.numel() == 0) return;
  visit_word(reinterpret_cast<uintptr_t>(x.data) | reinterpret_cast<uintptr_t>(out.data) |
                 static_cast<uint64_t>(bytes),
             [&]<class Word>(Word) {
               constexpr int64_t kWord = sizeof(Word);
               launch_1d(gather_rows_kernel<Word>, indices.numel() * (bytes / kWord), stream,
                         bytes / kWord, x.size(0), static_cast<const Word*>(x.data),
                         indices.as<int64_t>(), static_cast<Word*>(out.data));
             });
}

void scatter_add_rows(ConstView x, ConstView indices, View out, Stream stream) {
  check_rows("scatter_add_rows", out, indices, x);
  const int64_t count = indices.numel(), rows = out.size(0), length = row_length(out);
  KESTREL_CHECK(std::max(count, rows) < int64_t{1} << 32, "[scatter_add_rows] ", count,
                " rows into ", rows, ": on a GPU both must be fewer than 2^32");
  visit_compute(x.dtype, "scatter_add_rows", [&]<class T>(T) {
    fill(out, 0, stream);
    if (x.numel() == 0 || rows == 0) return;
    const Scratch<uint64_t> keys(count, stream), spare(count, stream);
    launch_1d(row_keys_kernel, count, stream, rows, indices.as<int64_t>(), keys.get());
    sort_keys(keys.get(), spare.get(), count, 32, stream);
    launch_1d(sum_rows_kernel<T>, count * length, stream, length, rows, keys.get(), x.as<T>(),
              out.as<T>());
  });
}

}  // namespace kestrel::gpu
