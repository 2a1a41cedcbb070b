#pragma once

#include <limits>
#include <vector>

#include <kestrel/kernels/common/channel_map.h>
#include <kestrel/kernels/dtype.h>
#include <kestrel/kernels/parallel.h>

/// What batch and group normalisation share: per-channel sums over, and affine maps of, `images`
/// blocks of `rows` x `channels` values. Coefficients are given per image and channel.
namespace kestrel::cpu::normalize {

struct Layout : ChannelMap {
  /// Rows whose sums are formed in the accumulation type: few enough to be exact to some ulps, and
  /// to be in the first-level cache for a second look.
  int64_t block_rows() const {
    return std::clamp<int64_t>(4096 / std::max<int64_t>(1, channels), 8, 64);
  }
  /// Rows that one thread takes at a time; a multiple of block_rows().
  int64_t chunk_rows() const {
    const int64_t blocks = (1 << 16) / std::max<int64_t>(1, channels) / block_rows();
    return std::max<int64_t>(1, blocks) * block_rows();
  }
  int64_t chunks_per_image() const { return (rows + chunk_rows() - 1) / chunk_rows(); }

  /// Calls f(image, chunk, first row, end row) for all chunks, in parallel; rows count from the
  /// first image's first.
  template <class F>
  void for_chunks(F&& f) const {
    const int64_t per_image = chunks_per_image();
    parallel_for(images * per_image, 1, [&](int64_t begin, int64_t) {
      const int64_t image = begin / per_image;
      const int64_t first = (begin % per_image) * chunk_rows();
      f(image, begin, image * rows + first, image * rows + std::min(rows, first + chunk_rows()));
    });
  }
};

inline std::vector<double> zeros(int64_t count) {
  return std::vector<double>(static_cast<size_t>(count));
}

/// Mean and sum of squared deviations of each image's each channel.
struct Moments {
  std::vector<double> mean, deviation;
};

/// Joins a set of n_b values into one of n_a (Chan, Golub and LeVeque, 1979).
inline void join(double& mean, double& deviation, double n_a, double mean_b, double deviation_b,
                 double n_b) {
  const double total = n_a + n_b;
  const double delta = mean_b - mean;
  mean += delta * n_b / total;
  deviation += deviation_b + delta * delta * n_a * n_b / total;
}

template <class T>
Moments moments(const T* x, const Layout& layout) {
  using A = Accumulate<T>;
  const int64_t channels = layout.channels;
  const int64_t chunks = layout.images * layout.chunks_per_image();
  Moments part{zeros(chunks * channels), zeros(chunks * channels)};
  layout.for_chunks([&](int64_t, int64_t chunk, int64_t first, int64_t end) {
    double* mean = part.mean.data() + chunk * channels;
    double* deviation = part.deviation.data() + chunk * channels;
    std::vector<A> center(static_cast<size_t>(channels)), spread(static_cast<size_t>(channels));
    A* __restrict m = center.data();
    A* __restrict s = spread.data();
    for (int64_t row = first; row < end; row += layout.block_rows()) {
      const int64_t stop = std::min(end, row + layout.block_rows());
      std::fill(center.begin(), center.end(), A{0});
      std::fill(spread.begin(), spread.end(), A{0});
      for (int64_t r = row; r < stop; ++r) {
        const T* __restrict values = x + r * channels;
        for (int64_t c = 0; c < channels; ++c) m[c] += static_cast<A>(values[c]);
      }
      const A share = A{1} / static_cast<A>(stop - row);
      for (int64_t c = 0; c < channels; ++c) m[c] *= share;
      for (int64_t r = row; r < stop; ++r) {
        const T* __restrict values = x + r * channels;
        for (int64_t c = 0; c < channels; ++c) {
          const A d = static_cast<A>(values[c]) - m[c];
          s[c] += d * d;
        }
      }
      const auto n_a = static_cast<double>(row - first), n_b = static_cast<double>(stop - row);
      for (int64_t c = 0; c < channels; ++c) join(mean[c], deviation[c], n_a, m[c], s[c], n_b);
    }
  });
  Moments result{zeros(layout.coefficients()), zeros(layout.coefficients())};
  const int64_t per_image = layout.chunks_per_image();
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const int64_t image = chunk / per_image;
    const int64_t first = (chunk % per_image) * layout.chunk_rows();
    const auto n_a = static_cast<double>(first);
    const auto n_b = static_cast<double>(std::min(layout.rows - first, layout.chunk_rows()));
    for (int64_t c = 0; c < channels; ++c) {
      const auto from = static_cast<size_t>(chunk * channels + c);
      const auto to = static_cast<size_t>(image * channels + c);
      join(result.mean[to], result.deviation[to], n_a, part.mean[from], part.deviation[from], n_b);
    }
  }
  return result;
}

/// y = relu?((x - mean) * scale + shift + residual).
template <class T>
void forward(const T* x, const Accumulate<T>* mean, const Accumulate<T>* scale,
             const Accumulate<T>* shift, const T* residual, bool relu, T* y, const Layout& layout) {
  using A = Accumulate<T>;
  const A floor = relu ? A{0} : -std::numeric_limits<A>::infinity();
  const int64_t channels = layout.channels;
  layout.for_chunks([=](int64_t image, int64_t, int64_t first, int64_t end) {
    const A* __restrict m = mean + image * channels;
    const A* __restrict a = scale + image * channels;
    const A* __restrict b = shift + image * channels;
    for (int64_t r = first; r < end; ++r) {
      const T* __restrict in = x + r * channels;
      T* __restrict out = y + r * channels;
      if (residual) {
        const T* __restrict extra = residual + r * channels;
        for (int64_t c = 0; c < channels; ++c) {
          const A v = (static_cast<A>(in[c]) - m[c]) * a[c] + b[c] + static_cast<A>(extra[c]);
          out[c] = T(v < floor ? floor : v);
        }
      } else {
        for (int64_t c = 0; c < channels; ++c) {
          const A v = (static_cast<A>(in[c]) - m[c]) * a[c] + b[c];
          out[c] = T(v < floor ? floor : v);
        }
      }
    }
  });
}

/// Per image and channel: sum of g and of g * (x - mean), where g is grad_y where y > 0 (everywhere
/// without y).
struct GradientSums {
  std::vector<double> grad, grad_x;
};

template <class T>
GradientSums gradient_sums(const T* x, const T* y, const T* grad_y, const Accumulate<T>* mean,
                           const Layout& layout) {
  using A = Accumulate<T>;
  const int64_t channels = layout.channels;
  const int64_t chunks = layout.images * layout.chunks_per_image();
  GradientSums part{zeros(chunks * channels), zeros(chunks * channels)};
  layout.for_chunks([&](int64_t image, int64_t chunk, int64_t first, int64_t end) {
    double* total = part.grad.data() + chunk * channels;
    double* total_x = part.grad_x.data() + chunk * channels;
    std::vector<A> sums(static_cast<size_t>(channels)), sums_x(static_cast<size_t>(channels));
    const A* __restrict m = mean + image * channels;
    A* __restrict s = sums.data();
    A* __restrict sx = sums_x.data();
    for (int64_t row = first; row < end; row += layout.block_rows()) {
      const int64_t stop = std::min(end, row + layout.block_rows());
      std::fill(sums.begin(), sums.end(), A{0});
      std::fill(sums_x.begin(), sums_x.end(), A{0});
      for (int64_t r = row; r < stop; ++r) {
        const T* __restrict in = x + r * channels;
        const T* __restrict g_in = grad_y + r * channels;
        if (y) {
          const T* __restrict out = y + r * channels;
          for (int64_t c = 0; c < channels; ++c) {
            const A value = static_cast<A>(g_in[c]);
            const A g = static_cast<A>(out[c]) > 0 ? value : A{0};
            s[c] += g;
            sx[c] += g * (static_cast<A>(in[c]) - m[c]);
          }
        } else {
          for (int64_t c = 0; c < channels; ++c) {
            const A g = static_cast<A>(g_in[c]);
            s[c] += g;
            sx[c] += g * (static_cast<A>(in[c]) - m[c]);
          }
        }
      }
      for (int64_t c = 0; c < channels; ++c) {
        total[c] += static_cast<double>(s[c]);
        total_x[c] += static_cast<double>(sx[c]);
      }
    }
  });
  GradientSums result{zeros(layout.coefficients()), zeros(layout.coefficients())};
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const int64_t image = chunk / layout.chunks_per_image();
    for (int64_t c = 0; c < channels; ++c) {
      const auto from = static_cast<size_t>(chunk * channels + c);
      const auto to = static_cast<size_t>(image * channels + c);
      result.grad[to] += part.grad[from];
      result.grad_x[to] += part.grad_x[from];
    }
  }
  return result;
}

/// grad_x = g * scale - (x - mean) * slope - offset, with g as above; without slope: g * scale.
/// grad_residual = g. Either may be null, or be the memory of grad_y.
template <class T>
void backward(const T* x, const T* y, const T* grad_y, const Accumulate<T>* mean,
              const Accumulate<T>* scale, const Accumulate<T>* slope, const Accumulate<T>* offset,
              T* grad_x, T* grad_residual, const Layout& layout) {
  using A = Accumulate<T>;
  const int64_t channels = layout.channels;
  layout.for_chunks([=](int64_t image, int64_t, int64_t first, int64_t end) {
    const int64_t base = image * channels;
    std::vector<A> masked(static_cast<size_t>(channels));
    A* __restrict g = masked.data();
    const A* __restrict a = scale + base;
    for (int64_t r = first; r < end; ++r) {
      const T* g_in = grad_y + r * channels;
      if (y) {
        const T* __restrict out = y + r * channels;
        for (int64_t c = 0; c < channels; ++c) {
          const A value = static_cast<A>(g_in[c]);
          g[c] = static_cast<A>(out[c]) > 0 ? value : A{0};
        }
      } else {
        for (int64_t c = 0; c < channels; ++c) g[c] = static_cast<A>(g_in[c]);
      }
      if (grad_residual) {
        T* __restrict gr = grad_residual + r * channels;
        for (int64_t c = 0; c < channels; ++c) gr[c] = T(g[c]);
      }
      if (!grad_x) continue;
      T* __restrict gx = grad_x + r * channels;
      if (slope) {
        const T* __restrict in = x + r * channels;
        const A* __restrict m = mean + base;
        const A* __restrict d = slope + base;
        const A* __restrict b = offset + base;
        for (int64_t c = 0; c < channels; ++c) {
          gx[c] = T(g[c] * a[c] - (static_cast<A>(in[c]) - m[c]) * d[c] - b[c]);
        }
      } else {
        for (int64_t c = 0; c < channels; ++c) gx[c] = T(g[c] * a[c]);
      }
    }
  });
}

}  // namespace kestrel::cpu::normalize
