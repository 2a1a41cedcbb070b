#include <kestrel/kernels/pooling.h>

#include <limits>

#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

/// Channels whose running results are kept in registers and first-level cache.
constexpr int64_t kLane = 64;

struct Range {
  int64_t begin, end;
};

/// Input positions of window o along one side, clipped to the input.
Range window(int64_t o, int64_t size, const Pool2dParams& p) {
  const int64_t begin = o * p.stride - p.pad;
  return {std::max<int64_t>(0, begin), std::min(size, begin + p.kernel)};
}

/// Windows that cover input position i along one side.
Range covering(int64_t i, int64_t windows, const Pool2dParams& p) {
  const int64_t last = i + p.pad;
  const int64_t first = last - p.kernel + 1;
  return {first <= 0 ? 0 : (first + p.stride - 1) / p.stride,
          std::min(windows, last / p.stride + 1)};
}

/// 1 / the number of values that count in window (oy, ox).
template <class A>
A share(int64_t oy, int64_t ox, int64_t height, int64_t width, const Pool2dParams& p) {
  const auto count = [&p](int64_t o, int64_t size) {
    if (!p.count_include_pad) {
      const Range r = window(o, size, p);
      return r.end - r.begin;
    }
    const int64_t begin = o * p.stride - p.pad;
    return std::min(begin + p.kernel, size + p.pad) - begin;
  };
  return A{1} / static_cast<A>(count(oy, height) * count(ox, width));
}

void check(const char* op, ConstView x, ConstView y) {
  KESTREL_CHECK(x.shape.dims() == 4 && y.shape.dims() == 4 && x.size(0) == y.size(0) &&
                    x.size(3) == y.size(3) && x.dtype == y.dtype,
                "[", op, "] ", x.dtype, x.shape, " does not fit ", y.dtype, y.shape);
}

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
    const Range rows = window(oy, in[1], p), columns = window(ox, in[2], p);
    const int64_t to = ((n * out[1] + oy) * out[2] + ox) * channels;
    for (int64_t c0 = 0; c0 < channels; c0 += kLane) {
      const int64_t lane = std::min(kLane, channels - c0);
      A best[kLane];
      int32_t place[kLane];
      std::fill_n(best, lane, -std::numeric_limits<A>::infinity());
      const auto first = static_cast<int32_t>((rows.begin - oy * p.stride + p.pad) * p.kernel +
                                              columns.begin - ox * p.stride + p.pad);
      std::fill_n(place, lane, first);
      for (int64_t iy = rows.begin; iy < rows.end; ++iy) {
        for (int64_t ix = columns.begin; ix < columns.end; ++ix) {
          const T* __restrict values = x + ((n * in[1] + iy) * in[2] + ix) * channels + c0;
          const auto here = static_cast<int32_t>((iy - oy * p.stride + p.pad) * p.kernel + ix -
                                                 ox * p.stride + p.pad);
          for (int64_t c = 0; c < lane; ++c) {
            const A v = static_cast<A>(values[c]);
            const bool wins = !(v <= best[c]) && !(best[c] != best[c] && v == v);
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
    const Range rows = covering(iy, out[1], p), columns = covering(ix, out[2], p);
    const int64_t to = ((n * in[1] + iy) * in[2] + ix) * channels;
    for (int64_t c0 = 0; c0 < channels; c0 += kLane) {
      const int64_t lane = std::min(kLane, channels - c0);
      A total[kLane];
      std::fill_n(total, lane, A{0});
      for (int64_t oy = rows.begin; oy < rows.end; ++oy) {
        for (int64_t ox = columns.begin; ox < columns.end; ++ox) {
          const int64_t from = ((n * out[1] + oy) * out[2] + ox) * channels + c0;
          const auto here = static_cast<int32_t>((iy - oy * p.stride + p.pad) * p.kernel + ix -
                                                 ox * p.stride + p.pad);
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

/// Calls f with the C++ type that the places of a window are stored in.
template <class F>
void visit_places(const Pool2dParams& params, F f) {
  params.kernel > 15 ? f(int32_t{}) : f(uint8_t{});
}

}  // namespace

void max_pool2d_forward(ConstView x, View y, View which, const Pool2dParams& params) {
  check("max_pool2d", x, y);
  visit_compute(x.dtype, "max_pool2d", [&]<class T>(T) {
    visit_places(params, [&]<class I>(I) {
      max_forward<T, I>(x.as<T>(), x.shape, y.as<T>(), y.shape, which ? which.as<I>() : nullptr,
                        params);
    });
  });
}

void max_pool2d_backward(ConstView grad_y, ConstView which, View grad_x,
                         const Pool2dParams& params) {
  check("max_pool2d_backward", grad_x, grad_y);
  visit_compute(grad_x.dtype, "max_pool2d_backward", [&]<class T>(T) {
    visit_places(params, [&]<class I>(I) {
      max_backward<T, I>(grad_y.as<T>(), grad_y.shape, which.as<I>(), grad_x.as<T>(), grad_x.shape,
                         params);
    });
  });
}

void avg_pool2d_forward(ConstView x, View y, const Pool2dParams& params) {
  check("avg_pool2d", x, y);
  const Shape in = x.shape, out = y.shape;
  visit_compute(x.dtype, "avg_pool2d", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* values = x.as<T>();
    T* result = y.as<T>();
    for_pixels(out, [=](int64_t n, int64_t oy, int64_t ox) {
      const Range rows = window(oy, in[1], params), columns = window(ox, in[2], params);
      const A factor = share<A>(oy, ox, in[1], in[2], params);
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
  check("avg_pool2d_backward", grad_x, grad_y);
  const Shape in = grad_x.shape, out = grad_y.shape;
  visit_compute(grad_x.dtype, "avg_pool2d_backward", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* grads = grad_y.as<T>();
    T* result = grad_x.as<T>();
    for_pixels(in, [=](int64_t n, int64_t iy, int64_t ix) {
      const Range rows = covering(iy, out[1], params), columns = covering(ix, out[2], params);
      T* to = result + ((n * in[1] + iy) * in[2] + ix) * in[3];
      for (int64_t c0 = 0; c0 < in[3]; c0 += kLane) {
        const int64_t lane = std::min(kLane, in[3] - c0);
        A total[kLane];
        std::fill_n(total, lane, A{0});
        for (int64_t oy = rows.begin; oy < rows.end; ++oy) {
          for (int64_t ox = columns.begin; ox < columns.end; ++ox) {
            const A factor = share<A>(oy, ox, in[1], in[2], params);
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
