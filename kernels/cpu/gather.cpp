#include <kestrel/kernels/gather.h>

#include <algorithm>

#include <kestrel/kernels/common/compare.h>
#include <kestrel/kernels/common/gather_checks.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t kGrain = 1 << 15;

int64_t checked(const char* op, int64_t index, const Axis& axis) {
  KESTREL_CHECK(0 <= index && index < axis.length, "[", op, "] index ", index, " is outside [0, ",
                axis.length, ")");
  return index;
}

}  // namespace

void gather_axis(ConstView x, ConstView indices, const Axis& axis, View out) {
  const int64_t count = check_gather("gather", x, indices, axis, out);
  const int64_t* index = indices.as<int64_t>();
  visit_width(x.dtype, [&]<class Word>(Word) {
    const auto* from = static_cast<const Word*>(x.data);
    auto* to = static_cast<Word*>(out.data);
    parallel_for(indices.numel(), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t outer = i / axis.inner / count, column = i % axis.inner;
        const int64_t place = checked("gather", index[i], axis);
        to[i] = from[(outer * axis.length + place) * axis.inner + column];
      }
    });
  });
}

void scatter_add_axis(ConstView x, ConstView indices, const Axis& axis, View out) {
  const int64_t count = check_gather("scatter_add", out, indices, axis, x);
  const int64_t* index = indices.as<int64_t>();
  visit_scatter(x.dtype, [&]<class T>(T) {
    const T* from = x.as<T>();
    T* to = out.as<T>();
    const int64_t task = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, axis.length + count));
    parallel_for(axis.rows(), task, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t first = axis.begin(row);
        for (int64_t k = 0; k < axis.length; ++k) to[first + k * axis.inner] = T(0);
        const int64_t outer = row / axis.inner, column = row % axis.inner;
        for (int64_t i = 0; i < count; ++i) {
          const int64_t at = (outer * count + i) * axis.inner + column;
          T& sum = to[first + checked("scatter_add", index[at], axis) * axis.inner];
          sum += from[at];
        }
      }
    });
  });
}

}  // namespace kestrel::cpu
