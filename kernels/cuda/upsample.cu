#include <kestrel/kernels/upsample.h>

#include <kestrel/kernels/common/upsample.h>
#include <kestrel/kernels/cuda/data_or_null.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/pack.h>
#include <kestrel/kernels/cuda/pixel.h>
#include <kestrel/kernels/cuda/scratch.h>

namespace kestrel::gpu {
namespace {

/// Pixels of x and of y; a pixel's channels in packs.
struct Sizes {
  int64_t images, height, width, out_height, out_width, packs;
};

template <int N>
Sizes sizes_of(const Shape& in, const Shape& out) {
  return {in[0], in[1], in[2], out[1], out[2], in[3] / N};
}

/// n = images x rows of y x columns of x: each source is read once per row of y. `lateral` may be
/// null.
template <class T, int N>
__global__ void nearest_forward_kernel(int64_t n, Sizes s, const Vector<T, N>* x,
                                       const Vector<T, N>* lateral, Vector<T, N>* y) {
  using A = Accumulate<T>;
  for (const int64_t i : grid_stride(n)) {
    const Pixel p(i, s.out_height, s.width, s.packs);
    const int64_t iy = p.y * s.height / s.out_height;
    const Vector<T, N> value = x[((p.image * s.height + iy) * s.width + p.x) * s.packs + p.pack];
    const int64_t row = (p.image * s.out_height + p.y) * s.out_width;
    const int64_t end = nearest_first_output(p.x + 1, s.width, s.out_width);
    for (int64_t ox = nearest_first_output(p.x, s.width, s.out_width); ox < end; ++ox) {
      const int64_t to = (row + ox) * s.packs + p.pack;
      Vector<T, N> result = value;
      if (lateral) {
        const Vector<T, N> side = lateral[to];
        for (int k = 0; k < N; ++k) {
          result[k] = T(static_cast<A>(value[k]) + static_cast<A>(side[k]));
        }
      }
      y[to] = result;
    }
  }
}

/// n = packs of x, each of which gathers from its outputs.
template <class T, int N>
__global__ void nearest_backward_kernel(int64_t n, Sizes s, const Vector<T, N>* grad_y,
                                        Vector<T, N>* grad_x) {
  using A = Accumulate<T>;
  for (const int64_t i : grid_stride(n)) {
    const Pixel p(i, s.height, s.width, s.packs);
    const int64_t y_end = nearest_first_output(p.y + 1, s.height, s.out_height);
    const int64_t x_begin = nearest_first_output(p.x, s.width, s.out_width);
    const int64_t x_end = nearest_first_output(p.x + 1, s.width, s.out_width);
    A total[N] = {};
    for (int64_t oy = nearest_first_output(p.y, s.height, s.out_height); oy < y_end; ++oy) {
      const int64_t row = (p.image * s.out_height + oy) * s.out_width;
      for (int64_t ox = x_begin; ox < x_end; ++ox) {
        const Vector<T, N> grad = grad_y[(row + ox) * s.packs + p.pack];
        for (int k = 0; k < N; ++k) total[k] += static_cast<A>(grad[k]);
      }
    }
    Vector<T, N> result;
    for (int k = 0; k < N; ++k) result[k] = T(total[k]);
    grad_x[i] = result;
  }
}

/// n = packs of y.
template <class T, int N>
__global__ void bilinear_forward_kernel(int64_t n, Sizes s, bool align_corners,
                                        const Vector<T, N>* x, Vector<T, N>* y) {
  using A = Accumulate<T>;
  for (const int64_t i : grid_stride(n)) {
    const Pixel p(i, s.out_height, s.out_width, s.packs);
    const BilinearTap row = bilinear_tap(p.y, s.height, s.out_height, align_corners);
    const BilinearTap column = bilinear_tap(p.x, s.width, s.out_width, align_corners);
    const auto load = [&](int64_t iy, int64_t ix) {
      return x[((p.image * s.height + iy) * s.width + ix) * s.packs + p.pack];
    };
    const Vector<T, N> a = load(row.low, column.low), b = load(row.low, column.high);
    const Vector<T, N> d = load(row.high, column.low), e = load(row.high, column.high);
    const A wy = static_cast<A>(row.weight), wx = static_cast<A>(column.weight);
    Vector<T, N> result;
    for (int k = 0; k < N; ++k) {
      const A top = (1 - wx) * static_cast<A>(a[k]) + wx * static_cast<A>(b[k]);
      const A bottom = (1 - wx) * static_cast<A>(d[k]) + wx * static_cast<A>(e[k]);
      result[k] = T((1 - wy) * top + wy * bottom);
    }
    y[i] = result;
  }
}

/// Outputs that a source takes part in.
struct Span {
  int64_t begin, end;
};

/// The first of the outputs whose lower source is at or after `source`.
__device__ int64_t bilinear_first_output(int64_t source, int64_t in, int64_t out,
                                         bool align_corners) {
  int64_t begin = 0, end = out;
  while (begin < end) {
    const int64_t middle = begin + (end - begin) / 2;
    if (bilinear_tap(middle, in, out, align_corners).low < source) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

/// One side of the map: taps (out) and spans (in). n = max(in, out).
__global__ void side_kernel(int64_t n, int64_t in, int64_t out, bool align_corners,
                            BilinearTap* taps, Span* spans) {
  for (const int64_t i : grid_stride(n)) {
    if (i < out) taps[i] = bilinear_tap(i, in, out, align_corners);
    if (i < in) {
      spans[i] = {bilinear_first_output(i - 1, in, out, align_corners),
                  bilinear_first_output(i + 1, in, out, align_corners)};
    }
  }
}

class Side {
 public:
  Side(int64_t in, int64_t out, bool align_corners, Stream stream)
      : taps_(out, stream), spans_(in, stream) {
    launch_1d(side_kernel, std::max(in, out), stream, in, out, align_corners, taps_.get(),
              spans_.get());
  }
  const BilinearTap* taps() const { return taps_.get(); }
  const Span* spans() const { return spans_.get(); }

 private:
  Scratch<BilinearTap> taps_;
  Scratch<Span> spans_;
};

/// With what weight a source takes part in an output.
__device__ double weight_of(const BilinearTap& tap, int64_t source) {
  return (tap.low == source ? 1 - tap.weight : 0) + (tap.high == source ? tap.weight : 0);
}

/// n = packs of x, each of which gathers from its outputs.
template <class T, int N>
__global__ void bilinear_backward_kernel(int64_t n, Sizes s, const BilinearTap* row_taps,
                                         const Span* row_spans, const BilinearTap* column_taps,
                                         const Span* column_spans, const Vector<T, N>* grad_y,
                                         Vector<T, N>* grad_x) {
  using A = Accumulate<T>;
  for (const int64_t i : grid_stride(n)) {
    const Pixel p(i, s.height, s.width, s.packs);
    const Span rows = row_spans[p.y], columns = column_spans[p.x];
    A total[N] = {};
    for (int64_t oy = rows.begin; oy < rows.end; ++oy) {
      const double wy = weight_of(row_taps[oy], p.y);
      const int64_t row = (p.image * s.out_height + oy) * s.out_width;
      for (int64_t ox = columns.begin; ox < columns.end; ++ox) {
        const A weight = static_cast<A>(wy * weight_of(column_taps[ox], p.x));
        const Vector<T, N> grad = grad_y[(row + ox) * s.packs + p.pack];
        for (int k = 0; k < N; ++k) total[k] += weight * static_cast<A>(grad[k]);
      }
    }
    Vector<T, N> result;
    for (int k = 0; k < N; ++k) result[k] = T(total[k]);
    grad_x[i] = result;
  }
}

}  // namespace

void upsample_nearest_forward(ConstView x, ConstView lateral, View y, Stream stream) {
  check_upsample_nearest(x, lateral, y);
  if (y.numel() == 0) return;
  const int64_t channels = x.size(3);
  visit_compute(x.dtype, "upsample_nearest", [&]<class T>(T) {
    const T* from = x.as<T>();
    const T* side = data_or_null<T>(lateral);
    T* to = y.as<T>();
    visit_pack<T>(is_packed(from, channels) && is_packed(side, channels) && is_packed(to, channels),
                  [&]<int N>(std::integral_constant<int, N>) {
                    const auto s = sizes_of<N>(x.shape, y.shape);
                    launch_1d(nearest_forward_kernel<T, N>,
                              s.images * s.out_height * s.width * s.packs, stream, s,
                              vectors<N>(from), vectors<N>(side), vectors<N>(to));
                  });
  });
}

void upsample_nearest_backward(ConstView grad_y, View grad_x, Stream stream) {
  check_upsample("upsample_nearest_backward", grad_x, grad_y);
  const int64_t channels = grad_x.size(3);
  visit_compute(grad_x.dtype, "upsample_nearest_backward", [&]<class T>(T) {
    const T* from = grad_y.as<T>();
    T* to = grad_x.as<T>();
    visit_pack<T>(is_packed(from, channels) && is_packed(to, channels),
                  [&]<int N>(std::integral_constant<int, N>) {
                    launch_1d(nearest_backward_kernel<T, N>, grad_x.numel() / N, stream,
                              sizes_of<N>(grad_x.shape, grad_y.shape), vectors<N>(from),
                              vectors<N>(to));
                  });
  });
}

void upsample_bilinear_forward(ConstView x, bool align_corners, View y, Stream stream) {
  check_upsample("upsample_bilinear", x, y);
  const int64_t channels = x.size(3);
  visit_compute(x.dtype, "upsample_bilinear", [&]<class T>(T) {
    const T* from = x.as<T>();
    T* to = y.as<T>();
    visit_pack<T>(is_packed(from, channels) && is_packed(to, channels),
                  [&]<int N>(std::integral_constant<int, N>) {
                    launch_1d(bilinear_forward_kernel<T, N>, y.numel() / N, stream,
                              sizes_of<N>(x.shape, y.shape), align_corners, vectors<N>(from),
                              vectors<N>(to));
                  });
  });
}

void upsample_bilinear_backward(ConstView grad_y, bool align_corners, View grad_x, Stream stream) {
  check_upsample("upsample_bilinear_backward", grad_x, grad_y);
  if (grad_x.numel() == 0) return;
  const int64_t channels = grad_x.size(3);
  const Side rows(grad_x.size(1), grad_y.size(1), align_corners, stream);
  const Side columns(grad_x.size(2), grad_y.size(2), align_corners, stream);
  visit_compute(grad_x.dtype, "upsample_bilinear_backward", [&]<class T>(T) {
    const T* from = grad_y.as<T>();
    T* to = grad_x.as<T>();
    visit_pack<T>(is_packed(from, channels) && is_packed(to, channels),
                  [&]<int N>(std::integral_constant<int, N>) {
                    launch_1d(bilinear_backward_kernel<T, N>, grad_x.numel() / N, stream,
                              sizes_of<N>(grad_x.shape, grad_y.shape), rows.taps(), rows.spans(),
                              columns.taps(), columns.spans(), vectors<N>(from), vectors<N>(to));
                  });
  });
}

}  // namespace kestrel::gpu
