#include <kestrel/kernels/layout.h>

#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

/// Transposes `count` matrices of rows x columns.
void transpose(ConstView from, View to, int64_t count, int64_t rows, int64_t columns) {
  KESTREL_CHECK(from.dtype == to.dtype && from.numel() == to.numel(), "[layout] ", from.dtype,
                from.shape, " does not fit ", to.dtype, to.shape);
  visit_any(from.dtype, [&]<class T>(T) {
    const T* source = from.as<T>();
    T* target = to.as<T>();
    parallel_for(count, 1, [=](int64_t begin, int64_t end) {
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
  KESTREL_CHECK(from.shape.dims() == 4, "[nchw_to_nhwc] wants (N, C, H, W), got ", from.shape);
  transpose(from, to, from.size(0), from.size(1), from.size(2) * from.size(3));
}

void nhwc_to_nchw(ConstView from, View to) {
  KESTREL_CHECK(from.shape.dims() == 4, "[nhwc_to_nchw] wants (N, H, W, C), got ", from.shape);
  transpose(from, to, from.size(0), from.size(1) * from.size(2), from.size(3));
}

}  // namespace kestrel::cpu
