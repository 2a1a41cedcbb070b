#include <kestrel/kernels/batch_norm.h>

#include <cmath>

#include <kestrel/kernels/common/batch_norm_checks.h>
#include <kestrel/kernels/cuda/data_or_null.h>
#include <kestrel/kernels/cuda/normalize.h>

namespace kestrel::gpu {
namespace {

template <class A>
struct StoreStatistics {
  double count;
  A* mean;
  A* variance;
  __device__ void operator()(int64_t channel, const Partial& moments) const {
    mean[channel] = static_cast<A>(moments.a);
    variance[channel] = static_cast<A>(moments.b / count);
  }
};

template <class A>
__device__ void blend(A* running, double batch, double momentum) {
  const auto before = static_cast<double>(static_cast<Accumulate<A>>(*running));
  *running = A(static_cast<Accumulate<A>>((1 - momentum) * before + momentum * batch));
}

/// n channels; running values may be null.
template <class A>
__global__ void update_kernel(int64_t n, const A* mean, const A* variance, double unbias,
                              double momentum, A* running_mean, A* running_var) {
  for (const int64_t c : grid_stride(n)) {
    const auto value = [c](const A* p) {
      return static_cast<double>(static_cast<Accumulate<A>>(p[c]));
    };
    if (running_mean) blend(running_mean + c, value(mean), momentum);
    if (running_var) blend(running_var + c, unbias * value(variance), momentum);
  }
}

/// weight / sqrt(variance + eps); the weight may be null.
template <class A>
__device__ A scale_of(A variance, const A* weight, double eps, int64_t channel) {
  const double w = weight ? static_cast<double>(weight[channel]) : 1.0;
  return static_cast<A>(w / std::sqrt(static_cast<double>(variance) + eps));
}

template <class A>
struct ForwardTable {
  const A* mean;
  const A* variance;
  const A* weight;
  const A* bias;
  double eps;
  __device__ normalize::ForwardCoefficients<A> operator()(int64_t, int64_t c) const {
    return {mean[c], scale_of(variance[c], weight, eps, c), bias ? bias[c] : A{0}};
  }
};

template <class A>
struct MeanTable {
  const A* mean;
  __device__ A operator()(int64_t, int64_t c) const { return mean[c]; }
};

/// What the sums of a channel's gradient give; gradients that are not wanted are null.
template <class A>
struct StoreGradients {
  double share, eps;  ///< 1 / values of a channel.
  const A* variance;
  const A* weight;
  A* grad_weight;
  A* grad_bias;
  A* slope;
  A* offset;
  __device__ void operator()(int64_t c, const Partial& sums) const {
    const double rstd = 1 / std::sqrt(static_cast<double>(variance[c]) + eps);
    if (grad_weight) grad_weight[c] = static_cast<A>(sums.b * rstd);
    if (grad_bias) grad_bias[c] = static_cast<A>(sums.a);
    const double scale = weight ? rstd * static_cast<double>(weight[c]) : rstd;
    slope[c] = static_cast<A>(scale * rstd * rstd * sums.b * share);
    offset[c] = static_cast<A>(scale * sums.a * share);
  }
};

/// Slope and offset are read where the statistics are the batch's.
template <class A>
struct BackwardTable {
  const A* mean;
  const A* variance;
  const A* weight;
  const A* slope;
  const A* offset;
  double eps;
  bool batch_statistics;
  __device__ normalize::BackwardCoefficients<A> operator()(int64_t, int64_t c) const {
    return {mean[c], scale_of(variance[c], weight, eps, c), batch_statistics ? slope[c] : A{0},
            batch_statistics ? offset[c] : A{0}};
  }
};

double count_of(const ChannelMap& map) {
  return static_cast<double>(std::max<int64_t>(1, map.rows));
}

}  // namespace

void batch_norm_statistics(ConstView x, View mean, View variance, Stream stream) {
  const ChannelMap map = check_batch_norm_statistics(x, mean, variance);
  visit_compute(x.dtype, "batch_norm", [&]<class T>(T) {
    using A = Accumulate<T>;
    const StoreStatistics<A> store{count_of(map), mean.as<A>(), variance.as<A>()};
    normalize::moments(map, x.as<T>(), store, stream);
  });
}

void batch_norm_update(ConstView mean, ConstView variance, int64_t count, double momentum,
                       View running_mean, View running_var, Stream stream) {
  if (count == 0) return;
  const double unbias = static_cast<double>(count) / static_cast<double>(count - 1);
  visit_compute(mean.dtype, "batch_norm", [&]<class A>(A) {
    launch_1d(update_kernel<A>, mean.numel(), stream, mean.as<A>(), variance.as<A>(), unbias,
              momentum, data_or_null<A>(running_mean),
              count > 1 ? data_or_null<A>(running_var) : nullptr);
  });
}

void batch_norm_forward(ConstView x, ConstView mean, ConstView variance, ConstView weight,
                        ConstView bias, ConstView residual, View y, const BatchNormParams& params,
                        Stream stream) {
  const ChannelMap map = check_batch_norm_forward(x, mean, variance, weight, bias, residual, y);
  visit_compute(x.dtype, "batch_norm", [&]<class T>(T) {
    using A = Accumulate<T>;
    const ForwardTable<A> table{mean.as<A>(), variance.as<A>(), data_or_null<A>(weight),
                                data_or_null<A>(bias), params.eps};
    normalize::forward(map, table, x.as<T>(), data_or_null<T>(residual), params.relu, y.as<T>(),
                       stream);
  });
}

void batch_norm_backward(ConstView x, ConstView y, ConstView grad_y, ConstView mean,
                         ConstView variance, ConstView weight, View grad_x, View grad_residual,
                         View grad_weight, View grad_bias, const BatchNormParams& params,
                         Stream stream) {
  const ChannelMap map =
      check_batch_norm_backward(x, grad_y, grad_x, grad_residual, grad_weight, grad_bias);
  visit_compute(x.dtype, "batch_norm", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* mask = params.relu ? y.as<T>() : nullptr;
    const A* m = mean.as<A>();
    const A* v = variance.as<A>();
    const A* w = data_or_null<A>(weight);
    const bool centred = grad_x && params.batch_statistics;
    const Scratch<A> slope(map.channels, stream), offset(map.channels, stream);
    if (grad_weight || grad_bias || centred) {
      const StoreGradients<A> store{.share = 1 / count_of(map),
                                    .eps = params.eps,
                                    .variance = v,
                                    .weight = w,
                                    .grad_weight = data_or_null<A>(grad_weight),
                                    .grad_bias = data_or_null<A>(grad_bias),
                                    .slope = slope.get(),
                                    .offset = offset.get()};
      normalize::gradient_sums(map, x.as<T>(), mask, grad_y.as<T>(), MeanTable<A>{m}, store,
                               stream);
    }
    if (grad_x || grad_residual) {
      const BackwardTable<A> table{m, v, w, slope.get(), offset.get(), params.eps, centred};
      normalize::backward(map, table, centred ? x.as<T>() : nullptr, mask, grad_y.as<T>(),
                          data_or_null<T>(grad_x), data_or_null<T>(grad_residual), stream);
    }
  });
}

}  // namespace kestrel::gpu
