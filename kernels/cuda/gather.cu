#include <kestrel/kernels/gather.h>

#include <kestrel/kernels/common/compare.h>
#include <kestrel/kernels/common/gather_checks.h>
#include <kestrel/kernels/cuda/launch.h>

namespace kestrel::gpu {
namespace {

template <class Word>
__global__ void gather_axis_kernel(int64_t n, Axis axis, int64_t count, const Word* x,
                                   const int64_t* indices, Word* out) {
  for (const int64_t i : grid_stride(n)) {
    const int64_t outer = i / axis.inner / count, column = i % axis.inner, place = indices[i];
    out[i] = 0 <= place && place < axis.length
                 ? x[(outer * axis.length + place) * axis.inner + column]
                 : Word{};
  }
}

/// A thread for each row, which it alone writes.
template <class T>
__global__ void scatter_add_axis_kernel(int64_t n, Axis axis, int64_t count, const T* x,
                                        const int64_t* indices, T* out) {
  for (const int64_t row : grid_stride(n)) {
    const int64_t first = axis.begin(row), outer = row / axis.inner, column = row % axis.inner;
    for (int64_t k = 0; k < axis.length; ++k) out[first + k * axis.inner] = T(0);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = (outer * count + i) * axis.inner + column, place = indices[at];
      if (place < 0 || place >= axis.length) continue;
      T& sum = out[first + place * axis.inner];
      sum += x[at];
    }
  }
}

}  // namespace

void gather_axis(ConstView x, ConstView indices, const Axis& axis, View out, Stream stream) {
  const int64_t count = check_gather("gather", x, indices, axis, out);
  visit_width(x.dtype, [&]<class Word>(Word) {
    launch_1d(gather_axis_kernel<Word>, indices.numel(), stream, axis, count,
              static_cast<const Word*>(x.data), indices.as<int64_t>(),
              static_cast<Word*>(out.data));
  });
}

void scatter_add_axis(ConstView x, ConstView indices, const Axis& axis, View out, Stream stream) {
  const int64_t count = check_gather("scatter_add", out, indices, axis, x);
  if (axis.numel() == 0) return;
  visit_scatter(x.dtype, [&]<class T>(T) {
    launch_1d(scatter_add_axis_kernel<T>, axis.rows(), stream, axis, count, x.as<T>(),
              indices.as<int64_t>(), out.as<T>());
  });
}

}  // namespace kestrel::gpu
