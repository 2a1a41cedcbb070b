// no-fmad: overlaps are compared with thresholds and with each other, and must equal the CPU's.
#include <kestrel/kernels/box_iou.h>

#include <kestrel/kernels/common/box_overlap.h>
#include <kestrel/kernels/cuda/box_rows.h>
#include <kestrel/kernels/cuda/launch.h>

namespace kestrel::gpu {
namespace {

/// Boxes of `a` for which a thread keeps its box of `b`.
constexpr int64_t kRows = 8;

/// n = the columns of every kRows rows.
template <BoxOverlap kind, class T, bool packed>
__global__ void box_iou_kernel(int64_t n, int64_t rows, int64_t columns, const T* a, const T* b,
                               T eps, T* out) {
  for (const int64_t i : grid_stride(n)) {
    const int64_t first = i / columns * kRows, column = i % columns;
    const int64_t end = rows - first < kRows ? rows : first + kRows;
    const geometry::BoxOf<T> other = load_row<packed>(b, column);
    for (int64_t row = first; row < end; ++row) {
      out[row * columns + column] = box_overlap<kind>(load_row<packed>(a, row), other, eps);
    }
  }
}

}  // namespace

void box_iou(ConstView a, ConstView b, const BoxIouParams& params, View out, Stream stream) {
  check_box_iou(a, b, params, out);
  const int64_t rows = a.size(0), columns = b.size(0);
  visit_overlap(params.kind, [&]<BoxOverlap kind>(std::integral_constant<BoxOverlap, kind>) {
    visit_rows(
        a.dtype,
        [&]<class T, bool packed>(T, std::bool_constant<packed>) {
          launch_1d(box_iou_kernel<kind, T, packed>, (rows + kRows - 1) / kRows * columns, stream,
                    rows, columns, a.as<T>(), b.as<T>(), static_cast<T>(params.eps), out.as<T>());
        },
        a.data, b.data);
  });
}

}  // namespace kestrel::gpu
