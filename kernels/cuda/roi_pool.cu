#include <kestrel/kernels/roi_pool.h>

#include <limits>

#include <kestrel/kernels/common/pooling.h>
#include <kestrel/kernels/common/roi_pool.h>
#include <kestrel/kernels/cuda/data_or_null.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/pack.h>
#include <kestrel/kernels/cuda/pixel.h>
#include <kestrel/kernels/cuda/roi_scan.h>
#include <kestrel/kernels/cuda/scratch.h>

namespace kestrel::gpu {
namespace {

/// Maps and bins; a pixel's channels in vectors.
struct RoiPoolSizes {
  int64_t images, height, width, out_height, out_width, packs;
};

RoiPoolSizes sizes_of(const Shape& x, const Shape& y, int64_t vector) {
  return {x[0], x[1], x[2], y[1], y[2], x[3] / vector};
}

/// n = vectors of y. `which` may be null.
template <class T, int N>
__global__ void forward_kernel(int64_t n, RoiPoolSizes s, const float* rois, double spatial_scale,
                               const Vector<T, N>* x, Vector<T, N>* y, Vector<int32_t, N>* which) {
  using A = Accumulate<T>;
  for (const int64_t i : grid_stride(n)) {
    const Pixel bin(i, s.out_height, s.out_width, s.packs);
    const float* roi = rois + bin.image * kRoiColumns;
    const int32_t image = roi_image(roi, s.images);
    const RoiPoolBox box = roi_pool_box(roi, spatial_scale);
    const RoiPoolRange rows = roi_pool_bin(box.y, bin.y, s.out_height, s.height);
    const RoiPoolRange columns = roi_pool_bin(box.x, bin.x, s.out_width, s.width);
    const bool empty = image < 0 || rows.begin >= rows.end || columns.begin >= columns.end;
    A best[N];
    Vector<int32_t, N> place;
    for (int k = 0; k < N; ++k) {
      best[k] = empty ? A{0} : -std::numeric_limits<A>::infinity();
      place[k] = empty ? -1 : static_cast<int32_t>(rows.begin * s.width + columns.begin);
    }
    for (int64_t iy = rows.begin; !empty && iy < rows.end; ++iy) {
      for (int64_t ix = columns.begin; ix < columns.end; ++ix) {
        const int64_t pixel = iy * s.width + ix;
        const Vector<T, N> values = x[(image * s.height * s.width + pixel) * s.packs + bin.pack];
        for (int k = 0; k < N; ++k) {
          const A value = static_cast<A>(values[k]);
          const bool wins = pool_wins(value, best[k]);
          best[k] = wins ? value : best[k];
          place[k] = wins ? static_cast<int32_t>(pixel) : place[k];
        }
      }
    }
    Vector<T, N> result;
    for (int k = 0; k < N; ++k) {
      result[k] = T(image < 0 ? std::numeric_limits<A>::quiet_NaN() : best[k]);
    }
    y[i] = result;
    if (which) which[i] = place;
  }
}

/// n = RoIs.
__global__ void extent_kernel(int64_t n, int64_t map_count, const float* rois, double spatial_scale,
                              int32_t* images, RoiExtent* extents) {
  for (const int64_t i : grid_stride(n)) {
    const RoiPoolBox box = roi_pool_box(rois + i * kRoiColumns, spatial_scale);
    images[i] = roi_image(rois + i * kRoiColumns, map_count);
    const RoiExtent extent{{static_cast<int32_t>(box.y.start), static_cast<int32_t>(box.x.start),
                            static_cast<int32_t>(box.y.start + box.y.length),
                            static_cast<int32_t>(box.x.start + box.x.length)}};
    extents[i] = extent;
  }
}

/// n = lanes of all strips of x.
template <class T, int N>
__global__ void backward_kernel(int64_t n, RoiPoolSizes s, RoiExtents extents, const float* rois,
                                double spatial_scale, const Vector<T, N>* grad_y,
                                const Vector<int32_t, N>* which, Vector<T, N>* grad_x) {
  using A = Accumulate<T>;
  for (const int64_t lane : grid_stride(n)) {
    const Strip strip(lane, s.height, s.width, s.packs);
    const int64_t first = strip.y * s.width + strip.x;  // Pixel of the image.
    A total[kStrip][N] = {};
    visit_rois(extents, strip, [&](int64_t roi) {
      if (strip.pack >= s.packs) return;
      const RoiPoolBox box = roi_pool_box(rois + roi * kRoiColumns, spatial_scale);
      const RoiPoolRange rows = roi_pool_covering(box.y, strip.y, strip.y, s.out_height);
      const RoiPoolRange columns =
          roi_pool_covering(box.x, strip.x, strip.x + kStrip - 1, s.out_width);
      for (int64_t i = rows.begin; i < rows.end; ++i) {
        for (int64_t j = columns.begin; j < columns.end; ++j) {
          const int64_t from = ((roi * s.out_height + i) * s.out_width + j) * s.packs + strip.pack;
          const Vector<T, N> grad = grad_y[from];
          const Vector<int32_t, N> places = which[from];
          for (int p = 0; p < kStrip; ++p) {
            for (int k = 0; k < N; ++k) {
              total[p][k] += places[k] == first + p ? static_cast<A>(grad[k]) : A{0};
            }
          }
        }
      }
    });
    for (int p = 0; p < kStrip; ++p) {
      if (strip.pack >= s.packs || strip.x + p >= s.width) continue;
      Vector<T, N> result;
      for (int k = 0; k < N; ++k) result[k] = T(total[p][k]);
      grad_x[(strip.image * s.height * s.width + first + p) * s.packs + strip.pack] = result;
    }
  }
}

}  // namespace

void roi_pool_forward(ConstView x, ConstView rois, double spatial_scale, View y, View which,
                      Stream stream) {
  check_roi_pool("roi_pool", x, rois, spatial_scale, y, which);
  const auto* boxes = rois.as<float>();
  visit_compute(x.dtype, "roi_pool", [&]<class T>(T) {
    const T* from = x.as<T>();
    T* to = y.as<T>();
    auto* places = data_or_null<int32_t>(which);
    visit_vector(x.size(3), from, to, places, [&]<int N>(std::integral_constant<int, N>) {
      launch_1d(forward_kernel<T, N>, y.numel() / N, stream, sizes_of(x.shape, y.shape, N), boxes,
                spatial_scale, vectors<N>(from), vectors<N>(to), vectors<N>(places));
    });
  });
}

void roi_pool_backward(ConstView grad_y, ConstView which, ConstView rois, double spatial_scale,
                       View grad_x, Stream stream) {
  check_roi_pool("roi_pool_backward", grad_x, rois, spatial_scale, grad_y, which);
  if (grad_x.numel() == 0) return;
  const int64_t count = rois.size(0);
  const auto* boxes = rois.as<float>();
  const Scratch<int32_t> images(count, stream);
  const Scratch<RoiExtent> extents(count, stream);
  launch_1d(extent_kernel, count, stream, grad_x.size(0), boxes, spatial_scale, images.get(),
            extents.get());
  const RoiExtents touched{count, images.get(), extents.get()};
  visit_compute(grad_x.dtype, "roi_pool_backward", [&]<class T>(T) {
    const T* from = grad_y.as<T>();
    const auto* places = which.as<int32_t>();
    T* to = grad_x.as<T>();
    visit_vector(grad_x.size(3), from, to, places, [&]<int N>(std::integral_constant<int, N>) {
      const RoiPoolSizes sizes = sizes_of(grad_x.shape, grad_y.shape, N);
      launch_1d(backward_kernel<T, N>,
                strip_lanes(sizes.images, sizes.height, sizes.width, sizes.packs), stream, sizes,
                touched, boxes, spatial_scale, vectors<N>(from), vectors<N>(places),
                vectors<N>(to));
    });
  });
}

}  // namespace kestrel::gpu
