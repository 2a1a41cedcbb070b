#include <kestrel/kernels/rows.h>

#include <algorithm>
#include <cstring>
#include <tuple>
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

/// A row of the output and one of those that are added up to it.
struct RowSource {
  int64_t row, position;
};

/// Row after row, ascending positions within a row.
std::vector<RowSource> sorted_sources(ConstView indices) {
  std::vector<RowSource> sources(static_cast<size_t>(indices.numel()));
  for (int64_t i = 0; i < indices.numel(); ++i) sources[i] = {indices.as<int64_t>()[i], i};
  const auto less = [](const RowSource& a, const RowSource& b) {
    return std::tie(a.row, a.position) < std::tie(b.row, b.position);
  };
  if (!std::is_sorted(sources.begin(), sources.end(), less)) {
    std::sort(sources.begin(), sources.end(), less);
  }
  return sources;
}

}  // namespace

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
  const int64_t length = row_length(out), bytes = length * size_of(x.dtype);
  auto* target_bytes = static_cast<std::byte*>(out.data);
  parallel_for(out.size(0), rows_per_task(bytes), [=](int64_t begin, int64_t end) {
    std::memset(target_bytes + begin * bytes, 0, static_cast<size_t>((end - begin) * bytes));
  });
  const std::vector<RowSource> sources = sorted_sources(indices);
  const auto count = static_cast<int64_t>(sources.size());
  visit_compute(x.dtype, "scatter_add_rows", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* source = x.as<T>();
    T* target = out.as<T>();
    parallel_for(count, rows_per_task(bytes), [&](int64_t begin, int64_t end) {
      std::vector<A> total(static_cast<size_t>(length));
      // A task has the rows whose first source lies in its range, with all of their sources.
      int64_t k = begin;
      while (k > 0 && k < end && sources[k].row == sources[k - 1].row) ++k;
      while (k < end) {
        const int64_t row = sources[k].row;
        std::fill(total.begin(), total.end(), A{0});
        for (; k < count && sources[k].row == row; ++k) {
          const T* values = source + sources[k].position * length;
          for (int64_t c = 0; c < length; ++c) total[c] += static_cast<A>(values[c]);
        }
        for (int64_t c = 0; c < length; ++c) target[row * length + c] = T(total[c]);
      }
    });
  });
}

}  // namespace kestrel::cpu
