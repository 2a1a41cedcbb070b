#include <kestrel/kernels/roi_align.h>

#include <type_traits>
#include <vector>

#include <kestrel/kernels/common/roi_align.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

/// Channels whose running sums stay in first-level cache; many, as pixels are best read whole.
constexpr int64_t kLane = 256;

/// The windows and weights of all RoIs.
template <class A>
class Table {
 public:
  Table(const float* rois, int64_t count, const Shape& x, const Shape& y,
        const RoiAlignParams& params)
      : table_(roi_table<A>(x, y, nullptr, nullptr)),
        windows_(static_cast<size_t>(count * table_.windows_per_roi())),
        weights_(static_cast<size_t>(count * table_.weights_per_roi())) {
    table_.windows = windows_.data();
    table_.weights = weights_.data();
    parallel_for(count, 16, [&](int64_t begin, int64_t end) {
      for (int64_t roi = begin; roi < end; ++roi) {
        for (int64_t i = 0; i < table_.windows_per_roi(); ++i)
          fill_roi_table(table_, rois, params, roi, i);
      }
    });
  }
  const RoiTable<A>& operator*() const { return table_; }

 private:
  RoiTable<A> table_;
  std::vector<RoiWindow> windows_;
  std::vector<A> weights_;
};

template <class T, class A>
void add_scaled(A weight, const T* __restrict from, A* __restrict total, int64_t count) {
  for (int64_t c = 0; c < count; ++c) {
    total[c] = std::fma(weight, static_cast<A>(from[c]), total[c]);
  }
}

/// One bin of a map of `width` pixels a row, `lane` channels of each.
template <class T, class A>
void sample_bin(const T* map, int64_t width, int64_t channels, const RoiWindow& rows,
                const RoiWindow& columns, const A* weights, int64_t lane, T* to) {
  A total[kLane];
  std::fill_n(total, lane, A{0});
  for (int64_t iy = rows.first; iy < rows.end; ++iy) {
    const A row_weight = weights[rows.offset + iy];
    if (row_weight == 0) continue;
    for (int64_t ix = columns.first; ix < columns.end; ++ix) {
      const A column_weight = weights[columns.offset + ix];
      if (column_weight == 0) continue;
      add_scaled(row_weight * column_weight, map + (iy * width + ix) * channels, total, lane);
    }
  }
  for (int64_t c = 0; c < lane; ++c) to[c] = T(total[c]);
}

/// What a RoI touches of the maps.
struct TouchedRows {
  int32_t image;
  RoiSpan span;
};

/// Adds a RoI's part of the gradient to row iy of a map.
template <class T, class A>
void add_row_gradient(const RoiTable<A>& table, int64_t roi, int64_t iy, const T* grad_y,
                      int64_t channels, A* row) {
  const RoiWindow* rows = table.rows(roi);
  const RoiWindow* columns = table.columns(roi);
  const A* weights = table.weights_of(roi);
  for (int64_t i = 0; i < table.out_height; ++i) {
    const A row_weight = rows[i].holds(iy) ? weights[rows[i].offset + iy] : A{0};
    if (row_weight == 0) continue;
    for (int64_t j = 0; j < table.out_width; ++j) {
      const T* grad = grad_y + ((roi * table.out_height + i) * table.out_width + j) * channels;
      for (int64_t ix = columns[j].first; ix < columns[j].end; ++ix) {
        const A weight = row_weight * weights[columns[j].offset + ix];
        if (weight != 0) add_scaled(weight, grad, row + ix * channels, channels);
      }
    }
  }
}

}  // namespace

void roi_align_forward(ConstView x, ConstView rois, View y, const RoiAlignParams& params) {
  check_roi_align("roi_align", x, rois, y, params);
  check_roi_images("roi_align", rois, x.size(0));
  if (y.numel() == 0) return;
  const int64_t count = y.size(0), channels = x.size(3), bins = y.size(1) * y.size(2);
  const auto* boxes = rois.as<float>();
  visit_compute(x.dtype, "roi_align", [&]<class T>(T) {
    using A = Accumulate<T>;
    const Table<A> table(boxes, count, x.shape, y.shape, params);
    const T* maps = x.as<T>();
    T* result = y.as<T>();
    const int64_t per_task = std::max<int64_t>(1, (1 << 14) / (bins * channels));
    parallel_for(count, per_task, [&](int64_t begin, int64_t end) {
      for (int64_t roi = begin; roi < end; ++roi) {
        const T* map = maps + roi_image(boxes + roi * kRoiColumns, x.size(0)) * x.shape.stride(0);
        for (int64_t bin = 0; bin < bins; ++bin) {
          const RoiWindow& rows = (*table).rows(roi)[bin / y.size(2)];
          const RoiWindow& columns = (*table).columns(roi)[bin % y.size(2)];
          T* to = result + (roi * bins + bin) * channels;
          for (int64_t c = 0; c < channels; c += kLane) {
            sample_bin(map + c, x.size(2), channels, rows, columns, (*table).weights_of(roi),
                       std::min(kLane, channels - c), to + c);
          }
        }
      }
    });
  });
}

void roi_align_backward(ConstView grad_y, ConstView rois, View grad_x,
                        const RoiAlignParams& params) {
  check_roi_align("roi_align_backward", grad_x, rois, grad_y, params);
  check_roi_images("roi_align_backward", rois, grad_x.size(0));
  if (grad_x.numel() == 0) return;
  const int64_t count = grad_y.size(0), height = grad_x.size(1);
  const int64_t channels = grad_x.size(3), row_values = grad_x.size(2) * channels;
  const auto* boxes = rois.as<float>();
  visit_compute(grad_x.dtype, "roi_align_backward", [&]<class T>(T) {
    using A = Accumulate<T>;
    const Table<A> table(boxes, count, grad_x.shape, grad_y.shape, params);
    std::vector<TouchedRows> touched(static_cast<size_t>(count));
    for (int64_t roi = 0; roi < count; ++roi) {
      touched[static_cast<size_t>(roi)] = {roi_image(boxes + roi * kRoiColumns, grad_x.size(0)),
                                           span_of((*table).rows(roi), grad_y.size(1))};
    }
    const T* grads = grad_y.as<T>();
    T* result = grad_x.as<T>();
    const int64_t per_task = std::max<int64_t>(1, (1 << 12) / row_values);
    parallel_for(grad_x.size(0) * height, per_task, [&](int64_t begin, int64_t end) {
      std::vector<A> sums(std::is_same_v<T, A> ? 0 : static_cast<size_t>(row_values));
      for (int64_t row = begin; row < end; ++row) {
        T* to = result + row * row_values;
        A* total = sums.data();
        if constexpr (std::is_same_v<T, A>) total = to;
        std::fill_n(total, row_values, A{0});
        for (int64_t roi = 0; roi < count; ++roi) {
          const TouchedRows& rows = touched[static_cast<size_t>(roi)];
          if (rows.image != row / height || row % height < rows.span.first ||
              row % height >= rows.span.end) {
            continue;
          }
          add_row_gradient(*table, roi, row % height, grads, channels, total);
        }
        if constexpr (!std::is_same_v<T, A>) {
          for (int64_t i = 0; i < row_values; ++i) to[i] = T(total[i]);
        }
      }
    });
  });
}

}  // namespace kestrel::cpu
