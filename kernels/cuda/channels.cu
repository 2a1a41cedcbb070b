#include <kestrel/kernels/channels.h>

#include <cmath>

#include <kestrel/kernels/common/channels_checks.h>
#include <kestrel/kernels/cuda/channel_tiles.h>
#include <kestrel/kernels/cuda/data_or_null.h>

namespace kestrel::gpu {
namespace {

/// Threads for each output channel of a weight: fixed, so that the order of additions is.
constexpr int kFoldThreads = 128;

/// Channel values in the type that maps of T are computed in.
template <class A, class C>
struct ChannelValues {
  const C* values;
  __device__ A operator()(int64_t, int64_t channel) const {
    return static_cast<A>(values[channel]);
  }
};

template <class T, class C, int N>
__global__ void add_channels_kernel(ChannelTiles tiles, const T* map, const C* channels, T* out) {
  using A = Accumulate<T>;
  const TilePlace place(tiles);
  A add[N] = {};
  load_coefficients<T>(tiles, place, ChannelValues<A, C>{channels}, add);
  place.for_packs(tiles, [&](int64_t i) {
    Vector<T, N> values = vectors<N>(map)[i];
    for (int k = 0; k < N; ++k) values[k] = T(static_cast<A>(values[k]) + add[k]);
    vectors<N>(out)[i] = values;
  });
}

/// The first of two quantities is the sum of a channel.
template <class T>
struct MapSums {
  using Value = Accumulate<T>;
  using Join = JoinSums;

  const T* map;

  template <int N>
  __device__ void read(const ChannelTiles& tiles, const TilePlace& place, Value (&sum)[N],
                       Value (&)[N]) const {
    place.for_packs(tiles, [&](int64_t i) {
      const Vector<T, N> values = vectors<N>(map)[i];
      for (int k = 0; k < N; ++k) sum[k] += static_cast<Value>(values[k]);
    });
  }
};

template <class A, class C>
struct StoreSum {
  C* channels;
  __device__ void operator()(int64_t i, const Partial& total) const {
    channels[i] = C(static_cast<A>(total.a));
  }
};

/// One block per output channel, whose weight is a row.
template <class T>
__global__ void fold_kernel(int64_t row, const T* weight, const T* gamma, const T* beta,
                            const T* mean, const T* var, double eps, T* folded, T* shift) {
  using A = Accumulate<T>;
  const int64_t o = blockIdx.x;
  const A scale =
      static_cast<A>(gamma[o]) / std::sqrt(static_cast<A>(var[o]) + static_cast<A>(eps));
  for (int64_t i = threadIdx.x; i < row; i += blockDim.x) {
    folded[o * row + i] = T(static_cast<A>(weight[o * row + i]) * scale);
  }
  if (threadIdx.x == 0) {
    shift[o] = T(static_cast<A>(beta[o]) - static_cast<A>(mean[o]) * scale);
  }
}

/// One block per output channel. Gradients that are not wanted are null.
template <class T>
__global__ void fold_backward_kernel(int64_t row, const T* grad_folded, const T* grad_shift,
                                     const T* weight, const T* gamma, const T* mean, const T* var,
                                     double eps, T* grad_weight, T* grad_gamma, T* grad_beta) {
  using A = Accumulate<T>;
  SHARED(double, scratch, [kWarp]);
  const int64_t o = blockIdx.x;
  const A inverse = 1 / std::sqrt(static_cast<A>(var[o]) + static_cast<A>(eps));
  const A scale = static_cast<A>(gamma[o]) * inverse;
  double product = 0;
  for (int64_t i = o * row + threadIdx.x; i < (o + 1) * row; i += blockDim.x) {
    const A grad = static_cast<A>(grad_folded[i]);
    if (grad_weight) grad_weight[i] = T(grad * scale);
    if (grad_gamma) {
      product += static_cast<double>(grad) * static_cast<double>(static_cast<A>(weight[i]));
    }
  }
  product = block_reduce<Sum>(product, 0.0, scratch);
  if (threadIdx.x == 0 && grad_gamma) {
    const A shift_part = static_cast<A>(grad_shift[o]) * static_cast<A>(mean[o]);
    grad_gamma[o] = T((static_cast<A>(product) - shift_part) * inverse);
  }
  if (threadIdx.x == 0 && grad_beta) grad_beta[o] = grad_shift[o];
}

}  // namespace

void add_channels(ConstView map, ConstView channels, View out, Stream stream) {
  const ChannelMap shape = check_channels("add_channels", map, channels);
  if (map.numel() == 0) return;
  visit_map("add_channels", map.dtype, channels.dtype, [&]<class T, class C>(T, C) {
    const T* from = map.as<T>();
    T* to = out.as<T>();
    visit_pack<T>(is_packed(from, shape.channels) && is_packed(to, shape.channels),
                  [&]<int N>(std::integral_constant<int, N>) {
                    const ChannelTiles tiles = channel_tiles<T, N>(shape);
                    launch(add_channels_kernel<T, C, N>, per_tile(tiles, stream), tiles, from,
                           channels.as<C>(), to);
                  });
  });
}

void sum_channels(ConstView map, View channels, Stream stream) {
  const ChannelMap shape = check_channels("sum_channels", map, channels);
  const auto sum = [&]<class T, class C>(T, C) {
    const T* from = map.as<T>();
    visit_pack<T>(is_packed(from, shape.channels), [&]<int N>(std::integral_constant<int, N>) {
      reduce_channels<T, N>(shape, MapSums<T>{from}, StoreSum<Accumulate<T>, C>{channels.as<C>()},
                            stream);
    });
  };
  visit_product(map.dtype, "sum_channels",
                [&]<class T>(T) { visit_channels<T>("sum_channels", channels.dtype, sum); });
}

void fold_batch_norm(ConstView weight, ConstView gamma, ConstView beta, ConstView mean,
                     ConstView var, double eps, View folded, View shift, Stream stream) {
  const int64_t out = gamma.numel();
  if (out == 0) return;
  visit_compute(weight.dtype, "fold_batch_norm", [&]<class T>(T) {
    launch(fold_kernel<T>, {dim3(static_cast<unsigned>(out)), dim3(kFoldThreads), 0, stream},
           weight.numel() / out, weight.as<T>(), gamma.as<T>(), beta.as<T>(), mean.as<T>(),
           var.as<T>(), eps, folded.as<T>(), shift.as<T>());
  });
}

void fold_batch_norm_backward(ConstView grad_folded, ConstView grad_shift, ConstView weight,
                              ConstView gamma, ConstView mean, ConstView var, double eps,
                              View grad_weight, View grad_gamma, View grad_beta, Stream stream) {
  const int64_t out = gamma.numel();
  if (out == 0) return;
  visit_compute(weight.dtype, "fold_batch_norm_backward", [&]<class T>(T) {
    launch(fold_backward_kernel<T>,
           {dim3(static_cast<unsigned>(out)), dim3(kFoldThreads), 0, stream}, weight.numel() / out,
           grad_folded.as<T>(), grad_shift.as<T>(), weight.as<T>(), gamma.as<T>(), mean.as<T>(),
           var.as<T>(), eps, data_or_null<T>(grad_weight), data_or_null<T>(grad_gamma),
           data_or_null<T>(grad_beta));
  });
}

}  // namespace kestrel::gpu
