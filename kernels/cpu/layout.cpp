#include <kestrel/kernels/layout.h>

#include <kestrel/kernels/common/layout_checks.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

void transpose(ConstView from, View to, const Matrices& matrices) {
  const int64_t rows = matrices.rows, columns = matrices.columns;
  visit_any(from.dtype, [&]<class T>(T) {
    const T* source = from.as<T>();
    T* target = to.as<T>();
    parallel_for(matrices.count, 1, [=](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        const T* in = source + n * rows * columns;
        T* out = target + n * rows * columns;
        for (int64_t c = 0; c < columns; ++c) {
          for (int64_t r = 0; r < rows; ++r) out[c * rows + r] = in[r * columns + c];
        }
      }
    });
  });
}

}  // namespace

void nchw_to_nhwc(ConstView from, View to) {
  transpose(from, to, check_nchw_to_nhwc(from, to));
}

void nhwc_to_nchw(ConstView from, View to) {
  transpose(from, to, check_nhwc_to_nchw(from, to));
}

}  // namespace kestrel::cpu
