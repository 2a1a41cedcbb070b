#include <kestrel/kernels/roi_pool.h>

#include <limits>
#include <vector>

#include <kestrel/kernels/common/pooling.h>
#include <kestrel/kernels/common/roi_pool.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

/// Channels whose running results are kept in registers and first-level cache.
constexpr int64_t kLane = 64;
/// Channels of a task of backward: a line of the cache.
constexpr int64_t kTaskLane = 16;

/// Writes one bin of `lane` channels of a map.
template <class T>
void pool_bin(const T* map, int64_t width, int64_t channels, const RoiPoolRange& rows,
              const RoiPoolRange& columns, int64_t lane, T* to, int32_t* which) {
  using A = Accumulate<T>;
  const bool empty = rows.begin >= rows.end || columns.begin >= columns.end;
  A best[kLane];
  int32_t place[kLane];
  std::fill_n(best, lane, empty ? A{0} : -std::numeric_limits<A>::infinity());
  std::fill_n(place, lane, empty ? -1 : static_cast<int32_t>(rows.begin * width + columns.begin));
  for (int64_t iy = rows.begin; iy < rows.end; ++iy) {
    for (int64_t ix = columns.begin; ix < columns.end; ++ix) {
      const int64_t pixel = iy * width + ix;
      const T* __restrict values = map + pixel * channels;
      const auto here = static_cast<int32_t>(pixel);
      for (int64_t c = 0; c < lane; ++c) {
        const A v = static_cast<A>(values[c]);
        const bool wins = pool_wins(v, best[c]);
        best[c] = wins ? v : best[c];
        place[c] = wins ? here : place[c];
      }
    }
  }
  for (int64_t c = 0; c < lane; ++c) to[c] = T(best[c]);
  if (which) std::copy_n(place, lane, which);
}

}  // namespace

void roi_pool_forward(ConstView x, ConstView rois, double spatial_scale, View y, View which) {
  check_roi_pool("roi_pool", x, rois, spatial_scale, y, which);
  check_roi_images("roi_pool", rois, x.size(0));
  if (y.numel() == 0) return;
  const int64_t channels = x.size(3), out_height = y.size(1), out_width = y.size(2);
  const auto* boxes = rois.as<float>();
  auto* places = which ? which.as<int32_t>() : nullptr;
  visit_compute(x.dtype, "roi_pool", [&]<class T>(T) {
    const T* maps = x.as<T>();
    T* result = y.as<T>();
    const int64_t per_task = std::max<int64_t>(1, (1 << 14) / y.shape.stride(0));
    parallel_for(y.size(0), per_task, [&](int64_t begin, int64_t end) {
      for (int64_t roi = begin; roi < end; ++roi) {
        const float* row = boxes + roi * kRoiColumns;
        const T* map = maps + roi_image(row, x.size(0)) * x.shape.stride(0);
        const RoiPoolBox box = roi_pool_box(row, spatial_scale);
        for (int64_t bin = 0; bin < out_height * out_width; ++bin) {
          const RoiPoolRange rows = roi_pool_bin(box.y, bin / out_width, out_height, x.size(1));
          const RoiPoolRange columns = roi_pool_bin(box.x, bin % out_width, out_width, x.size(2));
          const int64_t to = (roi * out_height * out_width + bin) * channels;
          for (int64_t c = 0; c < channels; c += kLane) {
            pool_bin(map + c, x.size(2), channels, rows, columns, std::min(kLane, channels - c),
                     result + to + c, places ? places + to + c : nullptr);
          }
        }
      }
    });
  });
}

void roi_pool_backward(ConstView grad_y, ConstView which, ConstView rois, double spatial_scale,
                       View grad_x) {
  check_roi_pool("roi_pool_backward", grad_x, rois, spatial_scale, grad_y, which);
  check_roi_images("roi_pool_backward", rois, grad_x.size(0));
  if (grad_x.numel() == 0) return;
  const int64_t images = grad_x.size(0), pixels = grad_x.size(1) * grad_x.size(2);
  const int64_t channels = grad_x.size(3), chunks = (channels + kTaskLane - 1) / kTaskLane;
  const int64_t bins = grad_y.size(1) * grad_y.size(2);
  const auto* boxes = rois.as<float>();
  const auto* places = which.as<int32_t>();
  visit_compute(grad_x.dtype, "roi_pool_backward", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* grads = grad_y.as<T>();
    T* result = grad_x.as<T>();
    // A task has a few channels of an image to itself, so it can scatter.
    parallel_for(images * chunks, 1, [&](int64_t task, int64_t) {
      const int64_t image = task / chunks, c0 = task % chunks * kTaskLane;
      const int64_t lane = std::min(kTaskLane, channels - c0);
      std::vector<A> total(static_cast<size_t>(pixels * lane));
      for (int64_t roi = 0; roi < rois.size(0); ++roi) {
        if (roi_image(boxes + roi * kRoiColumns, images) != image) continue;
        for (int64_t bin = roi * bins; bin < (roi + 1) * bins; ++bin) {
          const int64_t from = bin * channels + c0;
          for (int64_t c = 0; c < lane; ++c) {
            const int32_t pixel = places[from + c];
            if (pixel >= 0) {
              total[static_cast<size_t>(pixel * lane + c)] += static_cast<A>(grads[from + c]);
            }
          }
        }
      }
      for (int64_t pixel = 0; pixel < pixels; ++pixel) {
        T* to = result + (image * pixels + pixel) * channels + c0;
        for (int64_t c = 0; c < lane; ++c) to[c] = T(total[static_cast<size_t>(pixel * lane + c)]);
      }
    });
  });
}

}  // namespace kestrel::cpu
