#include <kestrel/kernels/rows.h>

#include <cstring>
#include <vector>

#include <kestrel/kernels/common/rows_checks.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t kBytesPerTask = 1 << 17;

int64_t rows_per_task(int64_t row_bytes) {
  return std::max<int64_t>(1, kBytesPerTask / std::max<int64_t>(1, row_bytes));
}

void check(const char* op, ConstView many, ConstView indices, ConstView few) {
  check_rows(op, many, indices, few);
  for (int64_t i = 0; i < indices.numel(); ++i) {
    const int64_t row = indices.as<int64_t>()[i];
    KESTREL_CHECK(0 <= row && row < many.size(0), "[", op, "] index ", row, " at position ", i,
                  " is outside [0, ", many.size(0), ")");
  }
}

}  // namespace

void copy_blocks(ConstView from, const Blocks& from_blocks, View to, const Blocks& to_blocks,
                 int64_t count, int64_t length) {
  check_copy_blocks(from, to);
  if (length <= 0) return;
  const int64_t size = size_of(from.dtype);
  const auto* source = static_cast<const std::byte*>(from.data) + from_blocks.start * size;
  auto* target = static_cast<std::byte*>(to.data) + to_blocks.start * size;
  const auto bytes = static_cast<size_t>(length * size);
  parallel_for(count, rows_per_task(length * size), [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(target + i * to_blocks.stride * size, source + i * from_blocks.stride * size,
                  bytes);
    }
  });
}

void gather_rows(ConstView x, ConstView indices, View out) {
  check("gather_rows", x, indices, out);
  const int64_t bytes = row_length(x) * size_of(x.dtype);
  if (bytes == 0) return;
  const auto* source = static_cast<const std::byte*>(x.data);
  auto* target = static_cast<std::byte*>(out.data);
  const int64_t* rows = indices.as<int64_t>();
  parallel_for(indices.numel(), rows_per_task(bytes), [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(target + i * bytes, source + rows[i] * bytes, static_cast<size_t>(bytes));
    }
  });
}

void scatter_add_rows(ConstView x, ConstView indices, View out) {
  check("scatter_add_rows", out, indices, x);
  const int64_t length = row_length(out), rows = out.size(0);
  const int64_t* index = indices.as<int64_t>();
  // The positions that go to each row, row after row, ascending within a row.
  std::vector<int64_t> first(static_cast<size_t>(rows) + 1);
  std::vector<int64_t> order(static_cast<size_t>(indices.numel()));
  for (int64_t i = 0; i < indices.numel(); ++i) ++first[static_cast<size_t>(index[i]) + 1];
  for (size_t r = 0; r < static_cast<size_t>(rows); ++r) first[r + 1] += first[r];
  std::vector<int64_t> next(first.begin(), first.end() - 1);
  for (int64_t i = 0; i < indices.numel(); ++i) {
    order[static_cast<size_t>(next[static_cast<size_t>(index[i])]++)] = i;
  }
  visit_compute(x.dtype, "scatter_add_rows", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* source = x.as<T>();
    T* target = out.as<T>();
    parallel_for(rows, rows_per_task(length * size_of(x.dtype)), [&](int64_t begin, int64_t end) {
      std::vector<A> total(static_cast<size_t>(length));
      for (int64_t r = begin; r < end; ++r) {
        std::fill(total.begin(), total.end(), A{0});
        for (int64_t k = first[static_cast<size_t>(r)]; k < first[static_cast<size_t>(r) + 1];
             ++k) {
          const T* row = source + order[static_cast<size_t>(k)] * length;
          for (int64_t c = 0; c < length; ++c) {
            total[static_cast<size_t>(c)] += static_cast<A>(row[c]);
          }
        }
        for (int64_t c = 0; c < length; ++c) {
          target[r * length + c] = T(total[static_cast<size_t>(c)]);
        }
      }
    });
  });
}

}  // namespace kestrel::cpu
