#include <kestrel/kernels/channels.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <kestrel/kernels/common/channels_checks.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t kRowElements = 1 << 16;  // elements of the map per chunk

}  // namespace

void add_channels(ConstView map, ConstView channels, View out) {
  const ChannelMap shape = check_channels("add_channels", map, channels);
  const int64_t rows = shape.rows, c = shape.channels;
  visit_map("add_channels", map.dtype, channels.dtype, [&]<class T, class C>(T, C) {
    const T* in = map.as<T>();
    const C* add = channels.as<C>();
    T* to = out.as<T>();
    parallel_for(rows, std::max<int64_t>(1, kRowElements / std::max<int64_t>(1, c)),
                 [=](int64_t begin, int64_t end) {
                   for (int64_t r = begin; r < end; ++r) {
                     for (int64_t i = 0; i < c; ++i) {
                       using A = Accumulate<T>;
                       to[r * c + i] = T(static_cast<A>(in[r * c + i]) + static_cast<A>(add[i]));
                     }
                   }
                 });
  });
}

void sum_channels(ConstView map, View channels) {
  const ChannelMap shape = check_channels("sum_channels", map, channels);
  const int64_t rows = shape.rows, c = shape.channels;
  visit_map("sum_channels", map.dtype, channels.dtype, [&]<class T, class C>(T, C) {
    using A = Accumulate<T>;
    const T* in = map.as<T>();
    const int64_t grain = std::max<int64_t>(1, kRowElements / std::max<int64_t>(1, c));
    const int64_t chunks = (rows + grain - 1) / grain;
    std::vector<A> partial(static_cast<size_t>(chunks * c));
    parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
      A* total = partial.data() + begin / grain * c;
      for (int64_t r = begin; r < end; ++r) {
        for (int64_t i = 0; i < c; ++i) total[i] += static_cast<A>(in[r * c + i]);
      }
    });
    C* to = channels.as<C>();
    for (int64_t i = 0; i < c; ++i) {
      A total = 0;
      for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        total += partial[static_cast<size_t>(chunk * c + i)];
      }
      to[i] = C(total);
    }
  });
}

void fold_batch_norm(ConstView weight, ConstView gamma, ConstView beta, ConstView mean,
                     ConstView var, double eps, View folded, View shift) {
  const int64_t out = gamma.numel();
  const int64_t row = out == 0 ? 0 : weight.numel() / out;
  visit_compute(weight.dtype, "fold_batch_norm", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* w = weight.as<T>();
    T* f = folded.as<T>();
    parallel_for(
        out, std::max<int64_t>(1, kRowElements / std::max<int64_t>(1, row)),
        [&](int64_t begin, int64_t end) {
          for (int64_t o = begin; o < end; ++o) {
            const A scale = static_cast<A>(gamma.as<T>()[o]) /
                            std::sqrt(static_cast<A>(var.as<T>()[o]) + static_cast<A>(eps));
            for (int64_t i = 0; i < row; ++i) {
              f[o * row + i] = T(static_cast<A>(w[o * row + i]) * scale);
            }
            shift.as<T>()[o] =
                T(static_cast<A>(beta.as<T>()[o]) - static_cast<A>(mean.as<T>()[o]) * scale);
          }
        });
  });
}

void fold_batch_norm_backward(ConstView grad_folded, ConstView grad_shift, ConstView weight,
                              ConstView gamma, ConstView mean, ConstView var, double eps,
                              View grad_weight, View grad_gamma, View grad_beta) {
  const int64_t out = gamma.numel();
  const int64_t row = out == 0 ? 0 : weight.numel() / out;
  visit_compute(weight.dtype, "fold_batch_norm_backward", [&]<class T>(T) {
    using A = Accumulate<T>;
    const T* gf = grad_folded.as<T>();
    const T* w = weight.as<T>();
    parallel_for(
        out, std::max<int64_t>(1, kRowElements / std::max<int64_t>(1, row)),
        [&](int64_t begin, int64_t end) {
          for (int64_t o = begin; o < end; ++o) {
            const A inverse = 1 / std::sqrt(static_cast<A>(var.as<T>()[o]) + static_cast<A>(eps));
            const A scale = static_cast<A>(gamma.as<T>()[o]) * inverse;
            const A shift_grad = static_cast<A>(grad_shift.as<T>()[o]);
            if (grad_weight) {
              T* gw = grad_weight.as<T>();
              for (int64_t i = 0; i < row; ++i) {
                gw[o * row + i] = T(static_cast<A>(gf[o * row + i]) * scale);
              }
            }
            if (grad_gamma) {
              double product = 0;
              for (int64_t i = 0; i < row; ++i) {
                product +=
                    static_cast<double>(gf[o * row + i]) * static_cast<double>(w[o * row + i]);
              }
              grad_gamma.as<T>()[o] =
                  T((static_cast<A>(product) - shift_grad * static_cast<A>(mean.as<T>()[o])) *
                    inverse);
            }
            if (grad_beta) grad_beta.as<T>()[o] = grad_shift.as<T>()[o];
          }
        });
  });
}

}  // namespace kestrel::cpu
