#include <kestrel/kernels/pooling.h>

#include <limits>

#include <kestrel/kernels/common/pooling.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

/// Channels whose running results are kept in registers and first-level cache.
constexpr int64_t kLane = 64;

int64_t rows_per_task(int64_t row_values) {
  return std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, row_values));
}

/// Calls f(n, y, x) for the pixels of an (N, H, W, C) view, rows in parallel.
template <class F>
void for_pixels(const Shape& shape, F f) {
  parallel_for(shape[0] * shape[1], rows_per_task(shape[2] * shape[3]),
               [&](int64_t begin, int64_t end) {
                 for (int64_t row = begin; row < end; ++row) {
                   for (int64_t x = 0; x < shape[2]; ++x) f(row / shape[1], row % shape[1], x);
                 }
               });
}

template <class T, class I>
void max_forward(const T* x, const Shape& in, T* y, const Shape& out, I* which,
                 const Pool2dParams& p) {
  using A = Accumulate<T>;
  const int64_t channels = in[3];
  for_pixels(out, [=](int64_t n, int64_t oy, int64_t ox) {
    const PoolRange rows = pool_window(oy, in[1], p), columns = pool_window(ox, in[2], p);
    const int64_t to = ((n * out[1] + oy) * out[2] + ox) * channels;
    for (int64_t c0 = 0; c0 < channels; c0 += kLane) {
      const int64_t lane = std::min(kLane, channels - c0);
      A best[kLane];
      int32_t place[kLane];
      std::fill_n(best, lane, -std::numeric_limits<A>::infinity());
      std::fill_n(place, lane, pool_place(rows.begin, columns.begin, oy, ox, p));
      for (int64_t iy = rows.begin; iy < rows.end; ++iy) {
        for (int64_t ix = columns.begin; ix < columns.end; ++ix) {
          const T* __restrict values = x + ((n * in[1] + iy) * in[2] + ix) * channels + c0;
          const int32_t here = pool_place(iy, ix, oy, ox, p);
          for (int64_t c = 0; c < lane; ++c) {
            const A v = static_cast<A>(values[c]);
            const bool wins = pool_wins(v, best[c]);
            best[c] = wins ? v : best[c];
            place[c] = wins ? here : place[c];
          }
        }
      }
      for (int64_t c = 0; c < lane; ++c) y[to + c0 + c] = T(best[c]);
      if (which) {
        for (int64_t c = 0; c < lane; ++c) which[to + c0 + c] = static_cast<I>(place[c]);
      }
    }
  });
}

template <class T, class I>
void max_backward(const T* grad_y, const Shape& out, const I* which, T* grad_x, const Shape& in,
                  const Pool2dParams& p) {
  using A = Accumulate<T>;
  const int64_t channels = in[3];
  for_pixels(in, [=](int64_t n, int64_t iy, int64_t ix) {
    const PoolRange rows = pool_covering(iy, out[1], p), columns = pool_covering(ix, out[2], p);
    const int64_t to = ((n * in[1] + iy) * in[2] + ix) * channels;
    for (int64_t c0 = 0; c0 < channels; c0 += kLane) {
      const int64_t lane = std::min(kLane, channels - c0);
      A total[kLane];
      std::fill_n(total, lane, A{0});
      for (int64_t oy = rows.begin; oy < rows.end; ++oy) {
        for (int64_t ox = columns.begin; ox < columns.end; ++ox) {
          const int64_t from = ((n * out[1] + oy) * out[2] + ox) * channels + c0;
          const int32_t here = pool_place(iy, ix, oy, ox, p);
          for (int64_t c = 0; c < lane; ++c) {
            const A g = static_cast<A>(grad_y[from + c]);
            total[c] += static_cast<int32_t>(which[from + c]) == here ? g : A{0};
          }
        }
      }
      for (int64_t c = 0; c < lane; ++c) grad_x[to + c0 + c] = T(total[c]);
    }
  });
}

}  // namespace

void max_pool2d_forward(ConstView x, View y, View which, const Pool2dParams& params) {
  check_pooling("max_pool2d", x, y);
  visit_compute(x.dtype, "max_pool2d", [&]<class T>(T) {
    visit_places(params, [&]<class I>(I) {
      max_forward<T, I>(x.as<T>(), x.shape, y.as<T>(), y.shape, which ? which.as<I>() : nullptr,
                        params);
    });
  });
}

void max_pool2d_backward(ConstView grad_y, ConstView which, View grad_x,
                         const Pool2dParams& params) {
  check_pooling("max_pool2d_backward", grad_x, grad_y);
  visit_compute(grad_x.dtype, "max_pool2d_backward", [&]<class T>(T) {
    visit_places(params, [&]<class I>(I) {
      max_backward<T, I>(grad_y.as<T>(), grad_y.shape, which.as<I>(), grad_x.as<T>(), grad_x.shape,
                         params);
    });
  });
}

void avg_pool2d_forward(ConstView x, View y, const Pool2dParams& params) {
  check_pooling("avg_pool2d", x, y);
  const Shape in = x.shape, out = y.shape;
  visit_compute(x.dtype, "avg_pool2d", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* values = x.as<T>();
    T* result = y.as<T>();
    for_pixels(out, [=](int64_t n, int64_t oy, int64_t ox) {
      const PoolRange rows = pool_window(oy, in[1], params);
      const PoolRange columns = pool_window(ox, in[2], params);
      const A factor = pool_share<A>(oy, ox, in[1], in[2], params);
      T* to = result + ((n * out[1] + oy) * out[2] + ox) * out[3];
      for (int64_t c0 = 0; c0 < in[3]; c0 += kLane) {
        const int64_t lane = std::min(kLane, in[3] - c0);
        A total[kLane];
        std::fill_n(total, lane, A{0});
        for (int64_t iy = rows.begin; iy < rows.end; ++iy) {
          for (int64_t ix = columns.begin; ix < columns.end; ++ix) {
            const T* from = values + ((n * in[1] + iy) * in[2] + ix) * in[3] + c0;
            for (int64_t c = 0; c < lane; ++c) total[c] += static_cast<A>(from[c]);
          }
        }
        for (int64_t c = 0; c < lane; ++c) to[c0 + c] = T(total[c] * factor);
      }
    });
  });
}

void avg_pool2d_backward(ConstView grad_y, View grad_x, const Pool2dParams& params) {
  check_pooling("avg_pool2d_backward", grad_x, grad_y);
  const Shape in = grad_x.shape, out = grad_y.shape;
  visit_compute(grad_x.dtype, "avg_pool2d_backward", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* grads = grad_y.as<T>();
    T* result = grad_x.as<T>();
    for_pixels(in, [=](int64_t n, int64_t iy, int64_t ix) {
      const PoolRange rows = pool_covering(iy, out[1], params);
      const PoolRange columns = pool_covering(ix, out[2], params);
      T* to = result + ((n * in[1] + iy) * in[2] + ix) * in[3];
      for (int64_t c0 = 0; c0 < in[3]; c0 += kLane) {
        const int64_t lane = std::min(kLane, in[3] - c0);
        A total[kLane];
        std::fill_n(total, lane, A{0});
        for (int64_t oy = rows.begin; oy < rows.end; ++oy) {
          for (int64_t ox = columns.begin; ox < columns.end; ++ox) {
            const A factor = pool_share<A>(oy, ox, in[1], in[2], params);
            const T* from = grads + ((n * out[1] + oy) * out[2] + ox) * in[3] + c0;
            for (int64_t c = 0; c < lane; ++c) total[c] += static_cast<A>(from[c]) * factor;
          }
        }
        for (int64_t c = 0; c < lane; ++c) to[c0 + c] = T(total[c]);
      }
    });
  });
}

}  // namespace kestrel::cpu
