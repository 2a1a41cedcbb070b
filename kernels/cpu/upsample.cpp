#include <kestrel/kernels/upsample.h>

#include <vector>

#include <kestrel/kernels/common/upsample.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

/// Parallel loop over the rows (image, y) of a feature map.
template <class F>
void for_rows(const Shape& shape, F f) {
  const int64_t values = std::max<int64_t>(1, shape[2] * shape[3]);
  parallel_for(shape[0] * shape[1], std::max<int64_t>(1, (1 << 15) / values),
               [&](int64_t begin, int64_t end) {
                 for (int64_t row = begin; row < end; ++row) f(row / shape[1], row % shape[1]);
               });
}

std::vector<BilinearTap> taps(int64_t in, int64_t out, bool align_corners) {
  std::vector<BilinearTap> result;
  for (int64_t i = 0; i < out; ++i) result.push_back(bilinear_tap(i, in, out, align_corners));
  return result;
}

/// The outputs that a source takes part in and with what weight, per source.
using Uses = std::vector<std::vector<std::pair<int64_t, double>>>;

Uses uses_of(const std::vector<BilinearTap>& taps, int64_t in) {
  Uses uses(static_cast<size_t>(in));
  for (size_t i = 0; i < taps.size(); ++i) {
    uses[static_cast<size_t>(taps[i].low)].emplace_back(i, 1 - taps[i].weight);
    uses[static_cast<size_t>(taps[i].high)].emplace_back(i, taps[i].weight);
  }
  return uses;
}

}  // namespace

void upsample_nearest_forward(ConstView x, ConstView lateral, View y) {
  check_upsample_nearest(x, lateral, y);
  const Shape in = x.shape, out = y.shape;
  const int64_t channels = out[3];
  visit_compute(x.dtype, "upsample_nearest", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* source = x.as<T>();
    const T* extra = lateral ? lateral.as<T>() : nullptr;
    T* target = y.as<T>();
    for_rows(out, [=](int64_t n, int64_t oy) {
      const T* row = source + (n * in[1] + oy * in[1] / out[1]) * in[2] * channels;
      const int64_t first = (n * out[1] + oy) * out[2] * channels;
      for (int64_t ox = 0; ox < out[2]; ++ox) {
        const T* __restrict from = row + ox * in[2] / out[2] * channels;
        T* __restrict to = target + first + ox * channels;
        if (extra) {
          const T* __restrict side = extra + first + ox * channels;
          for (int64_t c = 0; c < channels; ++c) {
            to[c] = T(static_cast<A>(from[c]) + static_cast<A>(side[c]));
          }
        } else {
          std::copy_n(from, channels, to);
        }
      }
    });
  });
}

void upsample_nearest_backward(ConstView grad_y, View grad_x) {
  check_upsample("upsample_nearest_backward", grad_x, grad_y);
  const Shape in = grad_x.shape, out = grad_y.shape;
  const int64_t channels = out[3];
  visit_compute(grad_x.dtype, "upsample_nearest_backward", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* source = grad_y.as<T>();
    T* target = grad_x.as<T>();
    for_rows(in, [=](int64_t n, int64_t iy) {
      std::vector<A> sums(static_cast<size_t>(channels));
      A* __restrict total = sums.data();
      const int64_t y0 = nearest_first_output(iy, in[1], out[1]),
                    y1 = nearest_first_output(iy + 1, in[1], out[1]);
      for (int64_t ix = 0; ix < in[2]; ++ix) {
        const int64_t x0 = nearest_first_output(ix, in[2], out[2]),
                      x1 = nearest_first_output(ix + 1, in[2], out[2]);
        std::fill(sums.begin(), sums.end(), A{0});
        for (int64_t oy = y0; oy < y1; ++oy) {
          for (int64_t ox = x0; ox < x1; ++ox) {
            const T* __restrict from = source + ((n * out[1] + oy) * out[2] + ox) * channels;
            for (int64_t c = 0; c < channels; ++c) total[c] += static_cast<A>(from[c]);
          }
        }
        T* __restrict to = target + ((n * in[1] + iy) * in[2] + ix) * channels;
        for (int64_t c = 0; c < channels; ++c) to[c] = T(total[c]);
      }
    });
  });
}

void upsample_bilinear_forward(ConstView x, bool align_corners, View y) {
  check_upsample("upsample_bilinear", x, y);
  if (y.numel() == 0) return;
  const Shape in = x.shape, out = y.shape;
  const int64_t channels = out[3];
  const std::vector<BilinearTap> rows = taps(in[1], out[1], align_corners);
  const std::vector<BilinearTap> columns = taps(in[2], out[2], align_corners);
  visit_compute(x.dtype, "upsample_bilinear", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* source = x.as<T>();
    T* target = y.as<T>();
    for_rows(out, [&, source, target](int64_t n, int64_t oy) {
      const BilinearTap& row = rows[static_cast<size_t>(oy)];
      const T* low = source + (n * in[1] + row.low) * in[2] * channels;
      const T* high = source + (n * in[1] + row.high) * in[2] * channels;
      const A wy = static_cast<A>(row.weight);
      for (int64_t ox = 0; ox < out[2]; ++ox) {
        const BilinearTap& column = columns[static_cast<size_t>(ox)];
        const A wx = static_cast<A>(column.weight);
        const T* __restrict a = low + column.low * channels;
        const T* __restrict b = low + column.high * channels;
        const T* __restrict d = high + column.low * channels;
        const T* __restrict e = high + column.high * channels;
        T* __restrict to = target + ((n * out[1] + oy) * out[2] + ox) * channels;
        for (int64_t c = 0; c < channels; ++c) {
          const A top = (1 - wx) * static_cast<A>(a[c]) + wx * static_cast<A>(b[c]);
          const A bottom = (1 - wx) * static_cast<A>(d[c]) + wx * static_cast<A>(e[c]);
          to[c] = T((1 - wy) * top + wy * bottom);
        }
      }
    });
  });
}

void upsample_bilinear_backward(ConstView grad_y, bool align_corners, View grad_x) {
  check_upsample("upsample_bilinear_backward", grad_x, grad_y);
  const Shape in = grad_x.shape, out = grad_y.shape;
  const int64_t channels = out[3];
  if (grad_x.numel() == 0) return;
  const Uses rows = uses_of(taps(in[1], out[1], align_corners), in[1]);
  const Uses columns = uses_of(taps(in[2], out[2], align_corners), in[2]);
  visit_compute(grad_x.dtype, "upsample_bilinear_backward", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* source = grad_y.as<T>();
    T* target = grad_x.as<T>();
    for_rows(in, [&, source, target](int64_t n, int64_t iy) {
      std::vector<A> sums(static_cast<size_t>(channels));
      A* __restrict total = sums.data();
      for (int64_t ix = 0; ix < in[2]; ++ix) {
        std::fill(sums.begin(), sums.end(), A{0});
        for (const auto& [oy, wy] : rows[static_cast<size_t>(iy)]) {
          for (const auto& [ox, wx] : columns[static_cast<size_t>(ix)]) {
            const A weight = static_cast<A>(wy * wx);
            const T* __restrict from = source + ((n * out[1] + oy) * out[2] + ox) * channels;
            for (int64_t c = 0; c < channels; ++c) total[c] += weight * static_cast<A>(from[c]);
          }
        }
        T* __restrict to = target + ((n * in[1] + iy) * in[2] + ix) * channels;
        for (int64_t c = 0; c < channels; ++c) to[c] = T(total[c]);
      }
    });
  });
}

}  // namespace kestrel::cpu
