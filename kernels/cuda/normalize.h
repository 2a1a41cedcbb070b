#pragma once

#include <kestrel/kernels/cuda/channel_tiles.h>
#include <kestrel/kernels/dtype.h>

/// What batch and group normalisation share on a GPU: per-channel sums over, and affine maps of,
/// the images of a map. Coefficients come from tables, table(image, channel).
namespace kestrel::gpu::normalize {

/// Mean and sum of squared deviations.
template <class T>
struct Moments {
  using Value = Accumulate<T>;
  using Join = JoinMoments;

  const T* x;

  /// Welford's recurrence.
  template <int N>
  __device__ void read(const ChannelTiles& tiles, const TilePlace& place, Value (&mean)[N],
                       Value (&deviation)[N]) const {
    Value count = 0;
    place.for_packs(tiles, [&](int64_t i) {
      const Vector<T, N> values = vectors<N>(x)[i];
      count += 1;
      const Value share = 1 / count;
      for (int k = 0; k < N; ++k) {
        const Value value = static_cast<Value>(values[k]);
        const Value distance = value - mean[k];
        mean[k] += distance * share;
        deviation[k] += distance * (value - mean[k]);
      }
    });
  }
};

/// grad_y where y > 0, or everywhere without y.
template <class T, int N>
__device__ void load_gradient(const T* y, const T* grad_y, int64_t i, Accumulate<T> (&g)[N]) {
  using A = Accumulate<T>;
  const Vector<T, N> grad = vectors<N>(grad_y)[i];
  for (int k = 0; k < N; ++k) g[k] = static_cast<A>(grad[k]);
  if (!y) return;
  const Vector<T, N> out = vectors<N>(y)[i];
  for (int k = 0; k < N; ++k) g[k] = static_cast<A>(out[k]) > 0 ? g[k] : A{0};
}

/// Sums of g and of g * (x - mean), where g is grad_y where y > 0 (everywhere without y).
template <class T, class MeanTable>
struct GradientSums {
  using Value = Accumulate<T>;
  using Join = JoinSums;

  const T* x;
  const T* y;
  const T* grad_y;
  MeanTable means;

  template <int N>
  __device__ void read(const ChannelTiles& tiles, const TilePlace& place, Value (&sum)[N],
                       Value (&sum_x)[N]) const {
    Value mean[N] = {};
    load_coefficients<T>(tiles, place, means, mean);
    place.for_packs(tiles, [&](int64_t i) {
      Value g[N];
      load_gradient(y, grad_y, i, g);
      const Vector<T, N> values = vectors<N>(x)[i];
      for (int k = 0; k < N; ++k) {
        sum[k] += g[k];
        sum_x[k] += g[k] * (static_cast<Value>(values[k]) - mean[k]);
      }
    });
  }
};

template <class A>
struct ForwardCoefficients {
  A mean, scale, shift;
};

/// y = relu?((x - mean) * scale + shift + residual).
template <class T, int N, class Table>
__global__ void forward_kernel(ChannelTiles tiles, Table table, const T* x, const T* residual,
                               bool relu, T* y) {
  using A = Accumulate<T>;
  const TilePlace place(tiles);
  ForwardCoefficients<A> c[N] = {};
  load_coefficients<T>(tiles, place, table, c);
  place.for_packs(tiles, [&](int64_t i) {
    const Vector<T, N> in = vectors<N>(x)[i];
    A v[N];
    for (int k = 0; k < N; ++k) {
      v[k] = (static_cast<A>(in[k]) - c[k].mean) * c[k].scale + c[k].shift;
    }
    if (residual) {
      const Vector<T, N> extra = vectors<N>(residual)[i];
      for (int k = 0; k < N; ++k) v[k] += static_cast<A>(extra[k]);
    }
    Vector<T, N> out;
    for (int k = 0; k < N; ++k) out[k] = T(relu && v[k] < 0 ? A{0} : v[k]);
    vectors<N>(y)[i] = out;
  });
}

template <class A>
struct BackwardCoefficients {
  A mean, scale, slope, offset;
};

/// grad_x = g * scale - (x - mean) * slope - offset, with g as above; g * scale where x is null.
/// grad_residual = g. Either may be null, or be the memory of grad_y.
template <class T, int N, class Table>
__global__ void backward_kernel(ChannelTiles tiles, Table table, const T* x, const T* y,
                                const T* grad_y, T* grad_x, T* grad_residual) {
  using A = Accumulate<T>;
  const TilePlace place(tiles);
  BackwardCoefficients<A> c[N] = {};
  load_coefficients<T>(tiles, place, table, c);
  place.for_packs(tiles, [&](int64_t i) {
    A g[N];
    load_gradient(y, grad_y, i, g);
    Vector<T, N> out;
    if (grad_residual) {
      for (int k = 0; k < N; ++k) out[k] = T(g[k]);
      vectors<N>(grad_residual)[i] = out;
    }
    if (!grad_x) return;
    for (int k = 0; k < N; ++k) g[k] *= c[k].scale;
    if (x) {
      const Vector<T, N> in = vectors<N>(x)[i];
      for (int k = 0; k < N; ++k) {
        g[k] -= (static_cast<A>(in[k]) - c[k].mean) * c[k].slope + c[k].offset;
      }
    }
    for (int k = 0; k < N; ++k) out[k] = T(g[k]);
    vectors<N>(grad_x)[i] = out;
  });
}

/// Whether threads can read and write packs of all of these, which may be null.
template <class T, class... Pointers>
bool all_packed(const ChannelMap& map, const T* p, const Pointers*... others) {
  return (is_packed(p, map.channels) && ... && is_packed(others, map.channels));
}

/// finish(i, moments), with i counting the channels of all images.
template <class T, class Finish>
void moments(const ChannelMap& map, const T* x, const Finish& finish, Stream stream) {
  visit_pack<T>(all_packed(map, x), [&]<int N>(std::integral_constant<int, N>) {
    reduce_channels<T, N>(map, Moments<T>{x}, finish, stream);
  });
}

/// finish(i, sums), with i counting the channels of all images. y may be null.
template <class T, class MeanTable, class Finish>
void gradient_sums(const ChannelMap& map, const T* x, const T* y, const T* grad_y,
                   const MeanTable& means, const Finish& finish, Stream stream) {
  visit_pack<T>(all_packed(map, x, y, grad_y), [&]<int N>(std::integral_constant<int, N>) {
    reduce_channels<T, N>(map, GradientSums<T, MeanTable>{x, y, grad_y, means}, finish, stream);
  });
}

template <class T, class Table>
void forward(const ChannelMap& map, const Table& table, const T* x, const T* residual, bool relu,
             T* y, Stream stream) {
  if (map.coefficients() * map.rows == 0) return;
  visit_pack<T>(all_packed(map, x, residual, y), [&]<int N>(std::integral_constant<int, N>) {
    const ChannelTiles tiles = channel_tiles<T, N>(map);
    launch(forward_kernel<T, N, Table>, per_tile(tiles, stream), tiles, table, x, residual, relu,
           y);
  });
}

template <class T, class Table>
void backward(const ChannelMap& map, const Table& table, const T* x, const T* y, const T* grad_y,
              T* grad_x, T* grad_residual, Stream stream) {
  if (map.coefficients() * map.rows == 0) return;
  visit_pack<T>(all_packed(map, x, y, grad_y, grad_x, grad_residual),
                [&]<int N>(std::integral_constant<int, N>) {
                  const ChannelTiles tiles = channel_tiles<T, N>(map);
                  launch(backward_kernel<T, N, Table>, per_tile(tiles, stream), tiles, table, x, y,
                         grad_y, grad_x, grad_residual);
                });
}

}  // namespace kestrel::gpu::normalize
