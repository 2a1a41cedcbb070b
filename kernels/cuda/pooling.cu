#include <kestrel/kernels/pooling.h>

#include <algorithm>
#include <limits>

#include <kestrel/kernels/common/pooling.h>
#include <kestrel/kernels/cuda/data_or_null.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/pack.h>
#include <kestrel/kernels/cuda/pixel.h>

namespace kestrel::gpu {
namespace {

/// Pixels of the input and of the output; a pixel's channels in vectors.
struct PoolSizes {
  int64_t images, height, width, out_height, out_width, packs;

  int64_t inputs() const { return images * height * width * packs; }
  int64_t outputs() const { return images * out_height * out_width * packs; }
  __device__ Pixel input(int64_t i) const { return {i, height, width, packs}; }
  __device__ Pixel output(int64_t i) const { return {i, out_height, out_width, packs}; }
  __device__ int64_t input_at(const Pixel& p, int64_t y, int64_t x) const {
    return ((p.image * height + y) * width + x) * packs + p.pack;
  }
  __device__ int64_t output_at(const Pixel& p, int64_t y, int64_t x) const {
    return ((p.image * out_height + y) * out_width + x) * packs + p.pack;
  }
};

PoolSizes sizes_of(const Shape& in, const Shape& out, int64_t vector) {
  return {in[0], in[1], in[2], out[1], out[2], in[3] / vector};
}

/// n outputs. `which` may be null.
template <class T, class I, int N>
__global__ void max_forward_kernel(int64_t n, PoolSizes s, Pool2dParams p, const Vector<T, N>* x,
                                   Vector<T, N>* y, Vector<I, N>* which) {
  using A = Accumulate<T>;
  for (const int64_t i : grid_stride(n)) {
    const Pixel o = s.output(i);
    const PoolRange rows = pool_window(o.y, s.height, p);
    const PoolRange columns = pool_window(o.x, s.width, p);
    A best[N];
    int32_t place[N];
    for (int k = 0; k < N; ++k) {
      best[k] = -std::numeric_limits<A>::infinity();
      place[k] = pool_place(rows.begin, columns.begin, o.y, o.x, p);
    }
    for (int64_t iy = rows.begin; iy < rows.end; ++iy) {
      for (int64_t ix = columns.begin; ix < columns.end; ++ix) {
        const Vector<T, N> values = x[s.input_at(o, iy, ix)];
        const int32_t here = pool_place(iy, ix, o.y, o.x, p);
        for (int k = 0; k < N; ++k) {
          const A value = static_cast<A>(values[k]);
          const bool wins = pool_wins(value, best[k]);
          best[k] = wins ? value : best[k];
          place[k] = wins ? here : place[k];
        }
      }
    }
    Vector<T, N> result;
    for (int k = 0; k < N; ++k) result[k] = T(best[k]);
    y[i] = result;
    if (which) {
      Vector<I, N> places;
      for (int k = 0; k < N; ++k) places[k] = static_cast<I>(place[k]);
      which[i] = places;
    }
  }
}

/// n inputs, each of which gathers from the windows that cover it.
template <class T, class I, int N>
__global__ void max_backward_kernel(int64_t n, PoolSizes s, Pool2dParams p,
                                    const Vector<T, N>* grad_y, const Vector<I, N>* which,
                                    Vector<T, N>* grad_x) {
  using A = Accumulate<T>;
  for (const int64_t i : grid_stride(n)) {
    const Pixel in = s.input(i);
    const PoolRange rows = pool_covering(in.y, s.out_height, p);
    const PoolRange columns = pool_covering(in.x, s.out_width, p);
    A total[N] = {};
    for (int64_t oy = rows.begin; oy < rows.end; ++oy) {
      for (int64_t ox = columns.begin; ox < columns.end; ++ox) {
        const int64_t from = s.output_at(in, oy, ox);
        const int32_t here = pool_place(in.y, in.x, oy, ox, p);
        const Vector<T, N> grad = grad_y[from];
        const Vector<I, N> places = which[from];
        for (int k = 0; k < N; ++k) {
          total[k] += static_cast<int32_t>(places[k]) == here ? static_cast<A>(grad[k]) : A{0};
        }
      }
    }
    Vector<T, N> result;
    for (int k = 0; k < N; ++k) result[k] = T(total[k]);
    grad_x[i] = result;
  }
}

/// n outputs.
template <class T, int N>
__global__ void avg_forward_kernel(int64_t n, PoolSizes s, Pool2dParams p, const Vector<T, N>* x,
                                   Vector<T, N>* y) {
  using A = Accumulate<T>;
  for (const int64_t i : grid_stride(n)) {
    const Pixel o = s.output(i);
    const PoolRange rows = pool_window(o.y, s.height, p);
    const PoolRange columns = pool_window(o.x, s.width, p);
    A total[N] = {};
    for (int64_t iy = rows.begin; iy < rows.end; ++iy) {
      for (int64_t ix = columns.begin; ix < columns.end; ++ix) {
        const Vector<T, N> values = x[s.input_at(o, iy, ix)];
        for (int k = 0; k < N; ++k) total[k] += static_cast<A>(values[k]);
      }
    }
    const A share = pool_share<A>(o.y, o.x, s.height, s.width, p);
    Vector<T, N> result;
    for (int k = 0; k < N; ++k) result[k] = T(total[k] * share);
    y[i] = result;
  }
}

/// n inputs.
template <class T, int N>
__global__ void avg_backward_kernel(int64_t n, PoolSizes s, Pool2dParams p,
                                    const Vector<T, N>* grad_y, Vector<T, N>* grad_x) {
  using A = Accumulate<T>;
  for (const int64_t i : grid_stride(n)) {
    const Pixel in = s.input(i);
    const PoolRange rows = pool_covering(in.y, s.out_height, p);
    const PoolRange columns = pool_covering(in.x, s.out_width, p);
    A total[N] = {};
    for (int64_t oy = rows.begin; oy < rows.end; ++oy) {
      for (int64_t ox = columns.begin; ox < columns.end; ++ox) {
        const A share = pool_share<A>(oy, ox, s.height, s.width, p);
        const Vector<T, N> grad = grad_y[s.output_at(in, oy, ox)];
        for (int k = 0; k < N; ++k) total[k] += static_cast<A>(grad[k]) * share;
      }
    }
    Vector<T, N> result;
    for (int k = 0; k < N; ++k) result[k] = T(total[k]);
    grad_x[i] = result;
  }
}

}  // namespace

void max_pool2d_forward(ConstView x, View y, View which, const Pool2dParams& params,
                        Stream stream) {
  check_pooling("max_pool2d", x, y);
  visit_compute(x.dtype, "max_pool2d", [&]<class T>(T) {
    visit_places(params, [&]<class I>(I) {
      const T* from = x.as<T>();
      T* to = y.as<T>();
      I* places = data_or_null<I>(which);
      visit_vector(x.size(3), from, to, places, [&]<int N>(std::integral_constant<int, N>) {
        const PoolSizes sizes = sizes_of(x.shape, y.shape, N);
        launch_1d(max_forward_kernel<T, I, N>, sizes.outputs(), stream, sizes, params,
                  vectors<N>(from), vectors<N>(to), vectors<N>(places));
      });
    });
  });
}

void max_pool2d_backward(ConstView grad_y, ConstView which, View grad_x, const Pool2dParams& params,
                         Stream stream) {
  check_pooling("max_pool2d_backward", grad_x, grad_y);
  visit_compute(grad_x.dtype, "max_pool2d_backward", [&]<class T>(T) {
    visit_places(params, [&]<class I>(I) {
      const T* from = grad_y.as<T>();
      const I* places = which.as<I>();
      T* to = grad_x.as<T>();
      visit_vector(grad_x.size(3), from, to, places, [&]<int N>(std::integral_constant<int, N>) {
        const PoolSizes sizes = sizes_of(grad_x.shape, grad_y.shape, N);
        launch_1d(max_backward_kernel<T, I, N>, sizes.inputs(), stream, sizes, params,
                  vectors<N>(from), vectors<N>(places), vectors<N>(to));
      });
    });
  });
}

void avg_pool2d_forward(ConstView x, View y, const Pool2dParams& params, Stream stream) {
  check_pooling("avg_pool2d", x, y);
  visit_compute(x.dtype, "avg_pool2d", [&]<class T>(T) {
    const T* from = x.as<T>();
    T* to = y.as<T>();
    visit_pack<T>(is_packed(from, x.size(3)) && is_packed(to, x.size(3)),
                  [&]<int N>(std::integral_constant<int, N>) {
                    const PoolSizes sizes = sizes_of(x.shape, y.shape, N);
                    launch_1d(avg_forward_kernel<T, N>, sizes.outputs(), stream, sizes, params,
                              vectors<N>(from), vectors<N>(to));
                  });
  });
}

void avg_pool2d_backward(ConstView grad_y, View grad_x, const Pool2dParams& params, Stream stream) {
  check_pooling("avg_pool2d_backward", grad_x, grad_y);
  visit_compute(grad_x.dtype, "avg_pool2d_backward", [&]<class T>(T) {
    const T* from = grad_y.as<T>();
    T* to = grad_x.as<T>();
    visit_pack<T>(is_packed(from, grad_x.size(3)) && is_packed(to, grad_x.size(3)),
                  [&]<int N>(std::integral_constant<int, N>) {
                    const PoolSizes sizes = sizes_of(grad_x.shape, grad_y.shape, N);
                    launch_1d(avg_backward_kernel<T, N>, sizes.inputs(), stream, sizes, params,
                              vectors<N>(from), vectors<N>(to));
                  });
  });
}

}  // namespace kestrel::gpu
