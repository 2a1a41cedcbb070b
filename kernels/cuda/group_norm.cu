#include <kestrel/kernels/group_norm.h>

#include <cmath>

#include <kestrel/kernels/common/group_norm_checks.h>
#include <kestrel/kernels/cuda/data_or_null.h>
#include <kestrel/kernels/cuda/normalize.h>

namespace kestrel::gpu {
namespace {

/// The groups of each image of a map.
struct Groups {
  int64_t groups, width;  ///< Of an image; channels of a group.
  double values;          ///< Of a group.

  Groups(const ChannelMap& map, const GroupNormParams& params)
      : groups(params.groups),
        width(map.channels / params.groups),
        values(static_cast<double>(std::max<int64_t>(1, map.rows * width))) {}

  __device__ int64_t group_of(int64_t image, int64_t channel) const {
    return image * groups + channel / width;
  }
  /// The first of the group's channels in its image.
  __device__ int64_t first_channel(int64_t group) const { return group % groups * width; }
};

struct StoreSums {
  Sums* sums;
  __device__ void operator()(int64_t i, const Partial& total) const {
    const Sums own = {total.a, total.b};
    sums[i] = own;
  }
};

/// n groups of all images, from the moments of their channels over `rows` rows.
template <class A>
__global__ void statistics_kernel(int64_t n, Groups g, double rows, const Sums* moments, double eps,
                                  A* mean, A* rstd) {
  for (const int64_t group : grid_stride(n)) {
    const Sums* own = moments + group * g.width;
    const Partial total = JoinMoments::join(g.width, [&](int64_t i) {
      return Partial{rows, own[i].a, own[i].b};
    });
    mean[group] = static_cast<A>(total.a);
    rstd[group] = static_cast<A>(1 / std::sqrt(total.b / g.values + eps));
  }
}

template <class A>
struct ForwardTable {
  Groups groups;
  const A* mean;
  const A* rstd;
  const A* weight;
  const A* bias;
  __device__ normalize::ForwardCoefficients<A> operator()(int64_t image, int64_t c) const {
    const int64_t group = groups.group_of(image, c);
    return {mean[group], weight ? rstd[group] * weight[c] : rstd[group], bias ? bias[c] : A{0}};
  }
};

template <class A>
struct MeanTable {
  Groups groups;
  const A* mean;
  __device__ A operator()(int64_t image, int64_t c) const {
    return mean[groups.group_of(image, c)];
  }
};

/// n groups of all images: what the sums of their channels' gradients give.
template <class A>
__global__ void slopes_kernel(int64_t n, Groups g, const Sums* sums, const A* rstd, const A* weight,
                              A* slope, A* offset) {
  for (const int64_t group : grid_stride(n)) {
    double grad = 0, grad_deviation = 0;
    for (int64_t i = 0; i < g.width; ++i) {
      const Sums own = sums[group * g.width + i];
      const double w = weight ? static_cast<double>(weight[g.first_channel(group) + i]) : 1.0;
      grad += w * own.a;
      grad_deviation += w * own.b;
    }
    const auto r = static_cast<double>(rstd[group]);
    slope[group] = static_cast<A>(r * r * r * grad_deviation / g.values);
    offset[group] = static_cast<A>(r * grad / g.values);
  }
}

/// n channels; gradients that are not wanted are null.
template <class A>
__global__ void parameters_kernel(int64_t n, Groups g, int64_t images, const Sums* sums,
                                  const A* rstd, A* grad_weight, A* grad_bias) {
  for (const int64_t c : grid_stride(n)) {
    double weight_sum = 0, bias_sum = 0;
    for (int64_t image = 0; image < images; ++image) {
      const Sums own = sums[image * n + c];
      weight_sum += own.b * static_cast<double>(rstd[g.group_of(image, c)]);
      bias_sum += own.a;
    }
    if (grad_weight) grad_weight[c] = static_cast<A>(weight_sum);
    if (grad_bias) grad_bias[c] = static_cast<A>(bias_sum);
  }
}

template <class A>
struct BackwardTable {
  Groups groups;
  const A* mean;
  const A* rstd;
  const A* weight;
  const A* slope;
  const A* offset;
  __device__ normalize::BackwardCoefficients<A> operator()(int64_t image, int64_t c) const {
    const int64_t group = groups.group_of(image, c);
    return {mean[group], weight ? rstd[group] * weight[c] : rstd[group], slope[group],
            offset[group]};
  }
};

}  // namespace

void group_norm_forward(ConstView x, ConstView weight, ConstView bias, View y, View mean, View rstd,
                        const GroupNormParams& params, Stream stream) {
  const ChannelMap map = check_group_norm_forward(x, weight, bias, params);
  const Groups groups(map, params);
  visit_compute(x.dtype, "group_norm", [&]<class T>(T) {
    using A = Accumulate<T>;
    const Scratch<Sums> moments(map.coefficients(), stream);
    normalize::moments(map, x.as<T>(), StoreSums{moments.get()}, stream);
    launch_1d(statistics_kernel<A>, map.images * groups.groups, stream, groups,
              static_cast<double>(map.rows), moments.get(), params.eps, mean.as<A>(), rstd.as<A>());
    const ForwardTable<A> table{groups, mean.as<A>(), rstd.as<A>(), data_or_null<A>(weight),
                                data_or_null<A>(bias)};
    normalize::forward<T>(map, table, x.as<T>(), nullptr, params.relu, y.as<T>(), stream);
  });
}

void group_norm_backward(ConstView x, ConstView y, ConstView grad_y, ConstView mean, ConstView rstd,
                         ConstView weight, View grad_x, View grad_weight, View grad_bias,
                         const GroupNormParams& params, Stream stream) {
  const ChannelMap map = check_group_norm_backward(x, weight, grad_weight, grad_bias, params);
  const Groups groups(map, params);
  const int64_t count = map.images * groups.groups;
  visit_compute(x.dtype, "group_norm", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* mask = params.relu ? y.as<T>() : nullptr;
    const A* m = mean.as<A>();
    const A* r = rstd.as<A>();
    const A* w = data_or_null<A>(weight);
    const Scratch<Sums> sums(map.coefficients(), stream);
    normalize::gradient_sums(map, x.as<T>(), mask, grad_y.as<T>(), MeanTable<A>{groups, m},
                             StoreSums{sums.get()}, stream);
    if (grad_weight || grad_bias) {
      launch_1d(parameters_kernel<A>, map.channels, stream, groups, map.images, sums.get(), r,
                data_or_null<A>(grad_weight), data_or_null<A>(grad_bias));
    }
    if (grad_x) {
      const Scratch<A> slope(count, stream), offset(count, stream);
      launch_1d(slopes_kernel<A>, count, stream, groups, sums.get(), r, w, slope.get(),
                offset.get());
      const BackwardTable<A> table{groups, m, r, w, slope.get(), offset.get()};
      normalize::backward<T>(map, table, x.as<T>(), mask, grad_y.as<T>(), grad_x.as<T>(), nullptr,
                             stream);
    }
  });
}

}  // namespace kestrel::gpu
