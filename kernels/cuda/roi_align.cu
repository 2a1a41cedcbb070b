// no-fmad: whether a sample lies inside must not depend on fused products and sums.
#include <kestrel/kernels/roi_align.h>

#include <limits>

#include <kestrel/kernels/common/roi_align.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/pack.h>
#include <kestrel/kernels/cuda/pixel.h>
#include <kestrel/kernels/cuda/roi_scan.h>
#include <kestrel/kernels/cuda/scratch.h>

namespace kestrel::gpu {
namespace {

/// n = windows of all RoIs.
template <class A>
__global__ void table_kernel(int64_t n, const float* rois, RoiAlignParams params,
                             RoiTable<A> table) {
  for (const int64_t i : grid_stride(n)) {
    fill_roi_table(table, rois, params, i / table.windows_per_roi(), i % table.windows_per_roi());
  }
}

/// n = RoIs.
template <class A>
__global__ void extent_kernel(int64_t n, const float* rois, int64_t map_count, RoiTable<A> table,
                              int32_t* images, RoiExtent* extents) {
  for (const int64_t i : grid_stride(n)) {
    const RoiSpan rows = span_of(table.rows(i), table.out_height);
    const RoiSpan columns = span_of(table.columns(i), table.out_width);
    images[i] = roi_image(rois + i * kRoiColumns, map_count);
    const RoiExtent extent{{rows.first, columns.first, rows.end, columns.end}};
    extents[i] = extent;
  }
}

/// n = packs of y.
template <class T, int N>
__global__ void forward_kernel(int64_t n, const float* rois, int64_t map_count, int64_t packs,
                               RoiTable<Accumulate<T>> table, const Vector<T, N>* x,
                               Vector<T, N>* y) {
  using A = Accumulate<T>;
  for (const int64_t i : grid_stride(n)) {
    const Pixel bin(i, table.out_height, table.out_width, packs);
    const int64_t roi = bin.image;
    const int32_t image = roi_image(rois + roi * kRoiColumns, map_count);
    const RoiWindow rows = table.rows(roi)[bin.y], columns = table.columns(roi)[bin.x];
    const A* weights = table.weights_of(roi);
    A total[N] = {};
    for (int64_t iy = rows.first; image >= 0 && iy < rows.end; ++iy) {
      const A row_weight = weights[rows.offset + iy];
      if (row_weight == 0) continue;
      const int64_t row = (image * table.height + iy) * table.width;
      for (int64_t ix = columns.first; ix < columns.end; ++ix) {
        const A column_weight = weights[columns.offset + ix];
        if (column_weight == 0) continue;
        const A weight = row_weight * column_weight;
        const Vector<T, N> values = x[(row + ix) * packs + bin.pack];
        for (int k = 0; k < N; ++k) {
          total[k] = std::fma(weight, static_cast<A>(values[k]), total[k]);
        }
      }
    }
    Vector<T, N> result;
    for (int k = 0; k < N; ++k) {
      result[k] = T(image < 0 ? std::numeric_limits<A>::quiet_NaN() : total[k]);
    }
    y[i] = result;
  }
}

/// n = lanes of all strips of x.
template <class T, int N>
__global__ void backward_kernel(int64_t n, RoiExtents rois, int64_t packs,
                                RoiTable<Accumulate<T>> table, const Vector<T, N>* grad_y,
                                Vector<T, N>* grad_x) {
  using A = Accumulate<T>;
  for (const int64_t lane : grid_stride(n)) {
    const Strip strip(lane, table.height, table.width, packs);
    A total[kStrip][N] = {};
    visit_rois(rois, strip, [&](int64_t roi) {
      const RoiWindow* rows = table.rows(roi);
      const RoiWindow* columns = table.columns(roi);
      const A* weights = table.weights_of(roi);
      for (int64_t i = 0; i < table.out_height; ++i) {
        const A row_weight = rows[i].holds(strip.y) ? weights[rows[i].offset + strip.y] : A{0};
        if (row_weight == 0) continue;
        for (int64_t j = 0; j < table.out_width; ++j) {
          const RoiWindow window = columns[j];
          if (window.end <= strip.x || strip.x + kStrip <= window.first) continue;
          Vector<T, N> grad{};
          if (strip.pack < packs) {
            grad =
                grad_y[((roi * table.out_height + i) * table.out_width + j) * packs + strip.pack];
          }
          for (int s = 0; s < kStrip; ++s) {
            const int64_t ix = strip.x + s;
            const A weight = window.holds(ix) ? row_weight * weights[window.offset + ix] : A{0};
            if (weight == 0) continue;
            for (int k = 0; k < N; ++k) {
              total[s][k] = std::fma(weight, static_cast<A>(grad[k]), total[s][k]);
            }
          }
        }
      }
    });
    const int64_t row = (strip.image * table.height + strip.y) * table.width;
    for (int s = 0; s < kStrip; ++s) {
      if (strip.pack >= packs || strip.x + s >= table.width) continue;
      Vector<T, N> result;
      for (int k = 0; k < N; ++k) result[k] = T(total[s][k]);
      grad_x[(row + strip.x + s) * packs + strip.pack] = result;
    }
  }
}

/// The windows and weights of all RoIs, in device memory.
template <class A>
class Table {
 public:
  Table(const float* rois, const Shape& x, const Shape& y, const RoiAlignParams& params,
        Stream stream)
      : table_(roi_table<A>(x, y, nullptr, nullptr)),
        windows_(y[0] * table_.windows_per_roi(), stream),
        weights_(y[0] * table_.weights_per_roi(), stream) {
    table_.windows = windows_.get();
    table_.weights = weights_.get();
    launch_1d(table_kernel<A>, y[0] * table_.windows_per_roi(), stream, rois, params, table_);
  }
  const RoiTable<A>& operator*() const { return table_; }

 private:
  RoiTable<A> table_;
  Scratch<RoiWindow> windows_;
  Scratch<A> weights_;
};

}  // namespace

void roi_align_forward(ConstView x, ConstView rois, View y, const RoiAlignParams& params,
                       Stream stream) {
  check_roi_align("roi_align", x, rois, y, params);
  if (y.numel() == 0) return;
  const int64_t channels = x.size(3);
  const auto* boxes = rois.as<float>();
  visit_compute(x.dtype, "roi_align", [&]<class T>(T) {
    const Table<Accumulate<T>> table(boxes, x.shape, y.shape, params, stream);
    const T* from = x.as<T>();
    T* to = y.as<T>();
    visit_pack<T>(is_packed(from, channels) && is_packed(to, channels),
                  [&]<int N>(std::integral_constant<int, N>) {
                    launch_1d(forward_kernel<T, N>, y.numel() / N, stream, boxes, x.size(0),
                              channels / N, *table, vectors<N>(from), vectors<N>(to));
                  });
  });
}

void roi_align_backward(ConstView grad_y, ConstView rois, View grad_x, const RoiAlignParams& params,
                        Stream stream) {
  check_roi_align("roi_align_backward", grad_x, rois, grad_y, params);
  if (grad_x.numel() == 0) return;
  const int64_t count = grad_y.size(0), channels = grad_x.size(3);
  const auto* boxes = rois.as<float>();
  visit_compute(grad_x.dtype, "roi_align_backward", [&]<class T>(T) {
    using A = Accumulate<T>;
    const Table<A> table(boxes, grad_x.shape, grad_y.shape, params, stream);
    const Scratch<int32_t> images(count, stream);
    const Scratch<RoiExtent> extents(count, stream);
    launch_1d(extent_kernel<A>, count, stream, boxes, grad_x.size(0), *table, images.get(),
              extents.get());
    const RoiExtents touched{count, images.get(), extents.get()};
    const T* from = grad_y.as<T>();
    T* to = grad_x.as<T>();
    visit_pack<T>(is_packed(from, channels) && is_packed(to, channels),
                  [&]<int N>(std::integral_constant<int, N>) {
                    const int64_t packs = channels / N;
                    launch_1d(backward_kernel<T, N>,
                              strip_lanes(grad_x.size(0), grad_x.size(1), grad_x.size(2), packs),
                              stream, touched, packs, *table, vectors<N>(from), vectors<N>(to));
                  });
  });
}

}  // namespace kestrel::gpu
