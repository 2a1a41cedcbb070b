#include <kestrel/kernels/deform_conv2d.h>

#include <array>
#include <memory>
#include <vector>

#include <kestrel/kernels/binary.h>
#include <kestrel/kernels/channels.h>
#include <kestrel/kernels/common/deform_conv2d.h>
#include <kestrel/kernels/conv2d.h>
#include <kestrel/kernels/copy.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

/// Work space of a chunk of pixels: enough that packing the weight for each is cheap beside the
/// product.
constexpr int64_t kWorkBytes = int64_t{16} << 20;

/// Channels of the input's gradient that one thread owns: a cache line of float32.
constexpr int64_t kOwnedChannels = 16;

/// A chunk of output pixels: where its samples lie, and its columns.
template <class T>
class Chunk {
 public:
  using A = Accumulate<T>;

  Chunk(const DeformSampling<T>& sampling, PixelRange range)
      : sampling_(sampling),
        g_(sampling.geometry),
        range_(range),
        zeros_(static_cast<size_t>(g_.channels)),
        samples_(static_cast<size_t>(range.count * g_.samples())),
        columns_(
            std::make_unique_for_overwrite<T[]>(static_cast<size_t>(range.count * g_.depth()))) {
    for_samples([&](int64_t i) { samples_[static_cast<size_t>(i)] = sampling_(first() + i); });
  }

  static int64_t bytes_per_pixel(const DeformConv2dGeometry& g) {
    return g.depth() * static_cast<int64_t>(sizeof(T)) +
           g.samples() * static_cast<int64_t>(sizeof(BilinearSample<A>));
  }

  View columns() { return columns_view(g_, columns_.get(), range_); }

  /// columns = mask * sample.
  void sample_columns();
  /// The gradients of offset and mask (either may be null) from those that columns() holds.
  void differentiate_samples(A* grad_offset, A* grad_mask) const;
  /// Adds to the gradient of the input from those that columns() holds.
  void scatter_columns(A* grad_input) const;

 private:
  /// The four corners' rows of channels; zeros outside.
  std::array<const T*, 4> corners(const BilinearSample<A>& sample) const {
    std::array<const T*, 4> rows;
    for (int i = 0; i < 4; ++i) {
      const int64_t pixel = sample.pixel(g_, i);
      rows[static_cast<size_t>(i)] =
          pixel < 0 ? zeros_.data() : sampling_.input + pixel * g_.channels;
    }
    return rows;
  }
  int64_t first() const { return range_.begin * g_.samples(); }
  /// Where the samples of a pixel's tap stand.
  int64_t place(int64_t pixel, int64_t tap, int64_t channel) const {
    return pixel * g_.depth() + g_.place(tap, channel);
  }

  /// Calls f(i) for the chunk's samples, in parallel over pixels.
  template <class F>
  void for_samples(F f) const {
    const int64_t grain = (int64_t{1} << 15) / std::max<int64_t>(1, g_.depth());
    parallel_for(range_.count, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * g_.samples(); i < end * g_.samples(); ++i) f(i);
    });
  }
  /// Calls f(channel, count, place) for the stretches of a sample's channels that lie together in
  /// the columns.
  template <class F>
  void for_runs(int64_t i, F f) const {
    const int64_t group = i / g_.taps() % g_.deform_groups;
    const int64_t end = (group + 1) * g_.deform_c();
    for (int64_t c = group * g_.deform_c(); c < end;) {
      const int64_t stop = std::min(end, (c / g_.group_c + 1) * g_.group_c);
      f(c, stop - c, place(i / g_.samples(), i % g_.taps(), c));
      c = stop;
    }
  }

  DeformSampling<T> sampling_;
  DeformConv2dGeometry g_;
  PixelRange range_;
  std::vector<T> zeros_;
  std::vector<BilinearSample<A>> samples_;
  std::unique_ptr<T[]> columns_;
};

template <class T>
void Chunk<T>::sample_columns() {
  for_samples([&](int64_t i) {
    const BilinearSample<A>& sample = samples_[static_cast<size_t>(i)];
    const A mask = sampling_.mask_of(first() + i);
    const A wa = mask * sample.weight(0), wb = mask * sample.weight(1);
    const A wd = mask * sample.weight(2), we = mask * sample.weight(3);
    const std::array<const T*, 4> rows = corners(sample);
    for_runs(i, [&](int64_t channel, int64_t count, int64_t place) {
      const T* __restrict a = rows[0] + channel;
      const T* __restrict b = rows[1] + channel;
      const T* __restrict d = rows[2] + channel;
      const T* __restrict e = rows[3] + channel;
      T* __restrict to = columns_.get() + place;
      for (int64_t c = 0; c < count; ++c) {
        to[c] = T(wa * static_cast<A>(a[c]) + wb * static_cast<A>(b[c]) +
                  wd * static_cast<A>(d[c]) + we * static_cast<A>(e[c]));
      }
    });
  });
}

template <class T>
void Chunk<T>::differentiate_samples(A* grad_offset, A* grad_mask) const {
  for_samples([&](int64_t i) {
    const BilinearSample<A>& sample = samples_[static_cast<size_t>(i)];
    const std::array<const T*, 4> rows = corners(sample);
    A products[4] = {};
    for_runs(i, [&](int64_t channel, int64_t count, int64_t place) {
      const T* __restrict grad = columns_.get() + place;
      const T* __restrict a = rows[0] + channel;
      const T* __restrict b = rows[1] + channel;
      const T* __restrict d = rows[2] + channel;
      const T* __restrict e = rows[3] + channel;
      A by_a = 0, by_b = 0, by_d = 0, by_e = 0;
#pragma omp simd reduction(+ : by_a, by_b, by_d, by_e)
      for (int64_t c = 0; c < count; ++c) {
        const A value = static_cast<A>(grad[c]);
        by_a += value * static_cast<A>(a[c]);
        by_b += value * static_cast<A>(b[c]);
        by_d += value * static_cast<A>(d[c]);
        by_e += value * static_cast<A>(e[c]);
      }
      products[0] += by_a;
      products[1] += by_b;
      products[2] += by_d;
      products[3] += by_e;
    });
    const int64_t index = first() + i;
    const SampleGradient<A> gradient(sample, sampling_.mask_of(index), products);
    if (grad_offset) {
      grad_offset[2 * index] = gradient.y;
      grad_offset[2 * index + 1] = gradient.x;
    }
    if (grad_mask) grad_mask[index] = gradient.mask;
  });
}

// Any sample may add to any pixel. Threads divide the channels, not the samples: each walks all
// samples in their order, so sums do not depend on how many threads there are.
template <class T>
void Chunk<T>::scatter_columns(A* grad_input) const {
  parallel_for(g_.channels, kOwnedChannels, [&](int64_t owned_begin, int64_t owned_end) {
    for (int64_t i = 0; i < range_.count * g_.samples(); ++i) {
      const BilinearSample<A>& sample = samples_[static_cast<size_t>(i)];
      const A mask = sampling_.mask_of(first() + i);
      for_runs(i, [&](int64_t channel, int64_t count, int64_t place) {
        const int64_t begin = std::max(channel, owned_begin);
        const int64_t owned = std::min(channel + count, owned_end) - begin;
        if (owned <= 0) return;
        const T* __restrict grad = columns_.get() + place + (begin - channel);
        for (int corner = 0; corner < 4; ++corner) {
          const int64_t pixel = sample.pixel(g_, corner);
          if (pixel < 0) continue;
          const A weight = mask * sample.weight(corner);
          A* __restrict to = grad_input + pixel * g_.channels + begin;
          for (int64_t c = 0; c < owned; ++c) to[c] += weight * static_cast<A>(grad[c]);
        }
      });
    }
  });
}

template <class T>
DeformSampling<T> sampling_of(const DeformConv2dGeometry& g, ConstView input, ConstView offset,
                              ConstView mask) {
  using A = Accumulate<T>;
  return {g, input.as<T>(), offset.as<A>(), mask ? mask.as<A>() : nullptr};
}

template <class T>
void backward(const DeformSampling<T>& sampling, ConstView weight, ConstView grad_output,
              const DeformConv2dGradients& gradients, const DeformConv2dParams& params) {
  using A = Accumulate<T>;
  const DeformConv2dGeometry& g = sampling.geometry;
  const Conv2dParams product{.groups = g.groups};
  const auto as_pointer = [](View view) { return view ? view.as<A>() : nullptr; };
  A* const grad_input = as_pointer(gradients.input);
  A* const grad_offset = as_pointer(gradients.offset);
  A* const grad_mask = as_pointer(gradients.mask);
  std::vector<A> part(static_cast<size_t>(gradients.weight ? weight.numel() : 0));
  const View grad_weight_part{part.data(), dtype_of<A>, weight.shape};
  const auto run = [&](PixelRange range) {
    Chunk<T> chunk(sampling, range);
    const ConstView grad = pixels_of(grad_output, range);
    if (gradients.weight) {
      chunk.sample_columns();
      conv2d_backward_weights(chunk.columns(), grad, one_tap(g, grad_weight_part), {}, product);
      binary_forward(BinaryOp::Add, gradients.weight, grad_weight_part, gradients.weight);
    }
    if (!grad_input && !grad_offset && !grad_mask) return;
    conv2d_backward_data(grad, one_tap(g, weight), chunk.columns(), product);
    if (grad_offset || grad_mask) chunk.differentiate_samples(grad_offset, grad_mask);
    if (grad_input) chunk.scatter_columns(grad_input);
  };
  for_pixel_ranges(g, params, kWorkBytes, Chunk<T>::bytes_per_pixel(g), run);
}

}  // namespace

void deform_conv2d_forward(ConstView input, ConstView offset, ConstView mask, ConstView weight,
                           ConstView bias, View output, const DeformConv2dParams& params) {
  const DeformConv2dGeometry g =
      check_deform_conv2d_forward(input, offset, mask, weight, bias, output, params);
  visit_compute(input.dtype, "deform_conv2d", [&]<class T>(T) {
    const DeformSampling<T> sampling = sampling_of<T>(g, input, offset, mask);
    const auto run = [&](PixelRange range) {
      Chunk<T> chunk(sampling, range);
      chunk.sample_columns();
      conv2d_forward(chunk.columns(), one_tap(g, weight), bias, {}, pixels_of(output, range),
                     {.groups = g.groups});
    };
    for_pixel_ranges(g, params, kWorkBytes, Chunk<T>::bytes_per_pixel(g), run);
  });
}

void deform_conv2d_backward(ConstView input, ConstView offset, ConstView mask, ConstView weight,
                            ConstView grad_output, const DeformConv2dGradients& gradients,
                            const DeformConv2dParams& params) {
  const DeformConv2dGeometry g =
      check_deform_conv2d_backward(input, offset, mask, weight, grad_output, gradients, params);
  if (gradients.bias) sum_channels(grad_output, gradients.bias);
  for (const View& summed : {gradients.input, gradients.weight}) {
    if (summed) fill(summed, 0);
  }
  visit_compute(input.dtype, "deform_conv2d_backward", [&]<class T>(T) {
    backward(sampling_of<T>(g, input, offset, mask), weight, grad_output, gradients, params);
  });
}

}  // namespace kestrel::cpu
