#include <kestrel/kernels/deform_conv2d.h>

#include <kestrel/kernels/binary.h>
#include <kestrel/kernels/channels.h>
#include <kestrel/kernels/common/deform_conv2d.h>
#include <kestrel/kernels/conv2d.h>
#include <kestrel/kernels/copy.h>
#include <kestrel/kernels/cuda/data_or_null.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/pack.h>
#include <kestrel/kernels/cuda/scratch.h>
#include <kestrel/kernels/cuda/segments.h>
#include <kestrel/kernels/cuda/sort.h>

// The input's gradient is a scatter: any sample may add to any pixel. Here it is a gather: every
// corner of a sample contributes to one pixel; the contributions of a chunk are sorted by pixel,
// and a thread per pixel and channels adds up what belongs to it, in the order of the samples.
// Chunks follow each other on the stream. The sort knows nothing of channels, so beside the
// products with the weight it costs little.

namespace kestrel::gpu {
namespace {

/// Work space of a chunk of pixels: enough to fill a GPU.
constexpr int64_t kWorkBytes = int64_t{64} << 20;

/// Samples that a warp differentiates, one after the other: their gradients fill whole sectors.
constexpr int kWarpSamples = 8;

constexpr int kCorners = 4;

/// columns = mask * sample. n = packs of the columns; pixels count from `first_pixel`.
template <class T, int N>
__global__ void sample_columns_kernel(int64_t n, DeformSampling<T> sampling, int64_t first_pixel,
                                      Vector<T, N>* columns) {
  using A = Accumulate<T>;
  const DeformConv2dGeometry& g = sampling.geometry;
  const int64_t group_packs = g.group_c / N;
  for (const int64_t i : grid_stride(n)) {
    const int64_t line = i / group_packs, tap = line % g.taps(), block = line / g.taps();
    const int64_t pixel = first_pixel + block / g.groups;
    const int64_t channel = block % g.groups * g.group_c + i % group_packs * N;
    const int64_t index = pixel * g.samples() + channel / g.deform_c() * g.taps() + tap;
    const BilinearSample<A> sample = sampling(index);
    const A mask = sampling.mask_of(index);
    A total[N] = {};
#pragma unroll
    for (int corner = 0; corner < kCorners; ++corner) {
      const int64_t from = sample.pixel(g, corner);
      if (from < 0) continue;
      const A weight = mask * sample.weight(corner);
      const auto values = *vectors<N>(sampling.input + from * g.channels + channel);
      for (int k = 0; k < N; ++k) total[k] += weight * static_cast<A>(values[k]);
    }
    Vector<T, N> result;
    for (int k = 0; k < N; ++k) result[k] = T(total[k]);
    columns[i] = result;
  }
}

/// The gradients of offset and mask, either of which may be null. n = samples, from `first` on;
/// grad_columns begin there.
template <class T, int N>
__global__ void differentiate_samples_kernel(int64_t n, DeformSampling<T> sampling, int64_t first,
                                             const T* grad_columns, Accumulate<T>* grad_offset,
                                             Accumulate<T>* grad_mask) {
  using A = Accumulate<T>;
  const DeformConv2dGeometry& g = sampling.geometry;
  const Segment segment = warp_segment(n, kWarpSamples);
  A own_offset = 0, own_mask = 0;  // of element `lane` of the segment's offsets, of its masks
  for (int64_t i = segment.begin; i < segment.end; ++i) {
    const BilinearSample<A> sample = sampling(first + i);
    const int64_t tap = i % g.taps(), group = i / g.taps() % g.deform_groups;
    const T* grad = grad_columns + i / g.samples() * g.depth();
    A products[kCorners] = {};
    for (int64_t c = segment.lane * N; c < g.deform_c(); c += kWarp * N) {
      const int64_t channel = group * g.deform_c() + c;
      const auto factors = *vectors<N>(grad + g.place(tap, channel));
#pragma unroll
      for (int corner = 0; corner < kCorners; ++corner) {
        const int64_t from = sample.pixel(g, corner);
        if (from < 0) continue;
        const auto values = *vectors<N>(sampling.input + from * g.channels + channel);
        for (int k = 0; k < N; ++k) {
          products[corner] += static_cast<A>(factors[k]) * static_cast<A>(values[k]);
        }
      }
    }
#pragma unroll
    for (int corner = 0; corner < kCorners; ++corner) {
      products[corner] = warp_reduce<Sum>(products[corner]);
    }
    const SampleGradient<A> gradient(sample, sampling.mask_of(first + i), products);
    const auto at = static_cast<int>(i - segment.begin);
    if (segment.lane / 2 == at) own_offset = segment.lane % 2 == 0 ? gradient.y : gradient.x;
    if (segment.lane == at) own_mask = gradient.mask;
  }
  const int64_t begin = first + segment.begin, count = segment.end - segment.begin;
  if (grad_offset && segment.lane < 2 * count) grad_offset[2 * begin + segment.lane] = own_offset;
  if (grad_mask && segment.lane < count) grad_mask[begin + segment.lane] = own_mask;
}

/// What a chunk's samples give to: (pixel, deformable group) in that order, of the images that the
/// chunk's pixels lie in.
struct Targets {
  int64_t first_pixel, pixels, deform_groups;

  Targets(const DeformConv2dGeometry& g, PixelRange range) : deform_groups(g.deform_groups) {
    const int64_t out_pixels = g.out_h * g.out_w, in_pixels = g.height * g.width;
    const int64_t first_image = range.begin / out_pixels;
    const int64_t end_image = (range.begin + range.count - 1) / out_pixels + 1;
    first_pixel = first_image * in_pixels;
    pixels = (end_image - first_image) * in_pixels;
  }
  KESTREL_HOST_DEVICE int64_t count() const { return pixels * deform_groups; }
};

/// n = contributions: the corners of the samples from `first_sample` on. Keys are (target,
/// contribution), with a target behind the last for corners outside.
template <class T>
__global__ void contributions_kernel(int64_t n, DeformSampling<T> sampling, int64_t first_sample,
                                     Targets targets, uint64_t* keys, Accumulate<T>* weights) {
  const DeformConv2dGeometry& g = sampling.geometry;
  for (const int64_t i : grid_stride(n)) {
    const int64_t index = first_sample + i / kCorners;
    const int corner = static_cast<int>(i % kCorners);
    const auto sample = sampling(index);
    const int64_t pixel = sample.pixel(g, corner);
    const int64_t group = index / g.taps() % g.deform_groups;
    const int64_t target =
        pixel < 0 ? targets.count() : (pixel - targets.first_pixel) * g.deform_groups + group;
    keys[i] = static_cast<uint64_t>(target) << 32 | static_cast<uint64_t>(i);
    weights[i] = sampling.mask_of(index) * sample.weight(corner);
  }
}

/// begins[t] = the first of the sorted keys whose target is at least t; n = targets + 1.
__global__ void begins_kernel(int64_t n, int64_t contributions, const uint64_t* keys,
                              int64_t* begins) {
  for (const int64_t target : grid_stride(n)) {
    int64_t begin = 0, end = contributions;
    while (begin < end) {
      const int64_t middle = begin + (end - begin) / 2;
      if (static_cast<int64_t>(keys[middle] >> 32) < target) {
        begin = middle + 1;
      } else {
        end = middle;
      }
    }
    begins[target] = begin;
  }
}

/// n = packs of the gradient of the targets' pixels, which it adds to.
template <class T, int N>
__global__ void gather_columns_kernel(int64_t n, DeformConv2dGeometry g, Targets targets,
                                      const uint64_t* keys, const Accumulate<T>* weights,
                                      const int64_t* begins, const T* grad_columns,
                                      Accumulate<T>* grad_input) {
  using A = Accumulate<T>;
  for (const int64_t i : grid_stride(n)) {
    const int64_t pixel = i * N / g.channels, channel = i * N % g.channels;
    const int64_t target = pixel * g.deform_groups + channel / g.deform_c();
    const T* own_columns = grad_columns + g.place(0, channel);
    A total[N] = {};
    const int64_t end = begins[target + 1];
    for (int64_t k = begins[target]; k < end; ++k) {
      const auto contribution = static_cast<uint32_t>(keys[k]);
      const int64_t sample = contribution / kCorners;
      const int64_t from = sample / g.samples() * g.depth() + sample % g.taps() * g.group_c;
      const auto grad = *vectors<N>(own_columns + from);
      const A weight = weights[contribution];
      for (int e = 0; e < N; ++e) total[e] += weight * static_cast<A>(grad[e]);
    }
    Vector<A, N>* const sums = vectors<N>(grad_input + targets.first_pixel * g.channels);
    Vector<A, N> result = sums[i];
    for (int e = 0; e < N; ++e) result[e] += total[e];
    sums[i] = result;
  }
}

/// A chunk of output pixels and its columns.
template <class T>
class Chunk {
 public:
  using A = Accumulate<T>;

  Chunk(const DeformSampling<T>& sampling, PixelRange range, Stream stream)
      : sampling_(sampling),
        g_(sampling.geometry),
        range_(range),
        stream_(stream),
        columns_(range.count * g_.depth(), stream) {}

  static int64_t bytes_per_pixel(const DeformConv2dGeometry& g) {
    return g.depth() * static_cast<int64_t>(sizeof(T)) +
           g.samples() * kCorners * static_cast<int64_t>(2 * sizeof(uint64_t) + sizeof(A));
  }

  View columns() const { return columns_view(g_, columns_.get(), range_); }

  void sample_columns() const {
    if (g_.depth() == 0) return;
    visit_pack<T>(packed<Pack<T>::kSize>(sampling_.input),
                  [&]<int N>(std::integral_constant<int, N>) {
                    launch_1d(sample_columns_kernel<T, N>, range_.count * g_.depth() / N, stream_,
                              sampling_, range_.begin, vectors<N>(columns_.get()));
                  });
  }

  /// The gradients of offset and mask (either may be null) from those that columns() holds.
  void differentiate_samples(A* grad_offset, A* grad_mask) const {
    visit_pack<T>(packed<Pack<T>::kSize>(sampling_.input),
                  [&]<int N>(std::integral_constant<int, N>) {
                    launch_segments(differentiate_samples_kernel<T, N>, range_.count * g_.samples(),
                                    kWarpSamples, stream_, sampling_, range_.begin * g_.samples(),
                                    columns_.get(), grad_offset, grad_mask);
                  });
  }

  /// Adds to the gradient of the input from those that columns() holds.
  void gather_columns(A* grad_input) const {
    const Targets targets(g_, range_);
    const int64_t contributions = range_.count * g_.samples() * kCorners;
    KESTREL_CHECK(std::max(contributions, targets.count()) < int64_t{1} << 32,
                  "[deform_conv2d_backward] ", contributions, " corners of samples among ",
                  targets.count(), " pixels: on a GPU both must be fewer than 2^32");
    const Scratch<uint64_t> keys(contributions, stream_), spare(contributions, stream_);
    const Scratch<A> weights(contributions, stream_);
    const Scratch<int64_t> begins(targets.count() + 1, stream_);
    launch_1d(contributions_kernel<T>, contributions, stream_, sampling_,
              range_.begin * g_.samples(), targets, keys.get(), weights.get());
    sort_keys(keys.get(), spare.get(), contributions, 32, stream_);
    launch_1d(begins_kernel, targets.count() + 1, stream_, contributions, keys.get(), begins.get());
    visit_pack<A>(packed<Pack<A>::kSize>(grad_input), [&]<int N>(std::integral_constant<int, N>) {
      launch_1d(gather_columns_kernel<T, N>, targets.pixels * g_.channels / N, stream_, g_, targets,
                keys.get(), weights.get(), begins.get(), columns_.get(), grad_input);
    });
  }

 private:
  /// Whether runs of `size` channels from `map` on lie in one group of either kind.
  template <int size, class U>
  bool packed(const U* map) const {
    return is_vector<size>(map, g_.group_c) && g_.deform_c() % size == 0;
  }

  DeformSampling<T> sampling_;
  DeformConv2dGeometry g_;
  PixelRange range_;
  Stream stream_;
  Scratch<T> columns_;
};

template <class T>
DeformSampling<T> sampling_of(const DeformConv2dGeometry& g, ConstView input, ConstView offset,
                              ConstView mask) {
  using A = Accumulate<T>;
  return {g, input.as<T>(), offset.as<A>(), data_or_null<A>(mask)};
}

template <class T>
void backward(const DeformSampling<T>& sampling, ConstView weight, ConstView grad_output,
              const DeformConv2dGradients& gradients, const DeformConv2dParams& params,
              Stream stream) {
  using A = Accumulate<T>;
  const DeformConv2dGeometry& g = sampling.geometry;
  const Conv2dParams product{.groups = g.groups};
  A* const grad_input = data_or_null<A>(gradients.input);
  A* const grad_offset = data_or_null<A>(gradients.offset);
  A* const grad_mask = data_or_null<A>(gradients.mask);
  const Scratch<A> part(gradients.weight ? weight.numel() : 0, stream);
  const View grad_weight_part{part.get(), dtype_of<A>, weight.shape};
  const auto run = [&](PixelRange range) {
    const Chunk<T> chunk(sampling, range, stream);
    const ConstView grad = pixels_of(grad_output, range);
    if (gradients.weight) {
      chunk.sample_columns();
      conv2d_backward_weights(chunk.columns(), grad, one_tap(g, grad_weight_part), {}, product,
                              stream);
      binary_forward(BinaryOp::Add, gradients.weight, grad_weight_part, gradients.weight, stream);
    }
    if (!grad_input && !grad_offset && !grad_mask) return;
    conv2d_backward_data(grad, one_tap(g, weight), chunk.columns(), product, stream);
    if (grad_offset || grad_mask) chunk.differentiate_samples(grad_offset, grad_mask);
    if (grad_input) chunk.gather_columns(grad_input);
  };
  for_pixel_ranges(g, params, kWorkBytes, Chunk<T>::bytes_per_pixel(g), run);
}

}  // namespace

void deform_conv2d_forward(ConstView input, ConstView offset, ConstView mask, ConstView weight,
                           ConstView bias, View output, const DeformConv2dParams& params,
                           Stream stream) {
  const DeformConv2dGeometry g =
      check_deform_conv2d_forward(input, offset, mask, weight, bias, output, params);
  visit_compute(input.dtype, "deform_conv2d", [&]<class T>(T) {
    const DeformSampling<T> sampling = sampling_of<T>(g, input, offset, mask);
    const auto run = [&](PixelRange range) {
      const Chunk<T> chunk(sampling, range, stream);
      chunk.sample_columns();
      conv2d_forward(chunk.columns(), one_tap(g, weight), bias, {}, pixels_of(output, range),
                     {.groups = g.groups}, stream);
    };
    for_pixel_ranges(g, params, kWorkBytes, Chunk<T>::bytes_per_pixel(g), run);
  });
}

void deform_conv2d_backward(ConstView input, ConstView offset, ConstView mask, ConstView weight,
                            ConstView grad_output, const DeformConv2dGradients& gradients,
                            const DeformConv2dParams& params, Stream stream) {
  const DeformConv2dGeometry g =
      check_deform_conv2d_backward(input, offset, mask, weight, grad_output, gradients, params);
  if (gradients.bias) sum_channels(grad_output, gradients.bias, stream);
  for (const View& summed : {gradients.input, gradients.weight}) {
    if (summed) fill(summed, 0, stream);
  }
  visit_compute(input.dtype, "deform_conv2d_backward", [&]<class T>(T) {
    backward(sampling_of<T>(g, input, offset, mask), weight, grad_output, gradients, params,
             stream);
  });
}

}  // namespace kestrel::gpu
