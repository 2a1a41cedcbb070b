#include <kestrel/kernels/cuda/conv2d_depthwise.h>

#include <algorithm>

#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/cuda/pack.h>
#include <kestrel/kernels/cuda/scratch.h>

namespace kestrel::gpu {
namespace {

/// Output pixels that one thread sums for the gradient of the weight, and the most such chunks.
constexpr int64_t kMinChunk = 256, kMaxChunks = 512;

template <class T, int kCount>
__device__ Run<T, kCount> load(const T* from) {
  return *reinterpret_cast<const Run<T, kCount>*>(from);
}

/// sums += a * b
template <class T, int kCount>
__device__ void multiply_add(const Run<T, kCount>& a, const Run<T, kCount>& b,
                             Accumulate<T> (&sums)[kCount]) {
  using A = Accumulate<T>;
  for (int e = 0; e < kCount; ++e) sums[e] += static_cast<A>(a.v[e]) * static_cast<A>(b.v[e]);
}

/// (outputs, taps) to (taps, outputs), so that the weights of neighbouring channels are neighbours.
template <class T>
__global__ void transpose_kernel(int64_t n, const T* weight, int64_t outputs, T* by_tap) {
  const int64_t taps = n / outputs;
  for (const int64_t i : grid_stride(n)) by_tap[i] = weight[i % outputs * taps + i / outputs];
}

/// One thread per run of output channels of a pixel. kCount is 1 unless every input channel has one
/// output.
template <class T, int kCount>
__global__ void forward_kernel(int64_t n, Conv2dGeometry g, const T* input, const T* by_tap,
                               Epilogue<T> epilogue) {
  for (const int64_t i : grid_stride(n)) {
    const int64_t at = i * kCount;
    const int64_t output = at % g.outputs, pixel = at / g.outputs;
    const int64_t ox = pixel % g.out_w, line = pixel / g.out_w;
    const int64_t oy = line % g.out_h, image = line / g.out_h;
    Accumulate<T> sums[kCount];
    epilogue.load_bias(output, sums);
    for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
      const int64_t y = oy * g.stride_h - g.pad_h + ky * g.dilation_h;
      if (y < 0 || y >= g.height) continue;
      for (int64_t kx = 0; kx < g.kernel_w; ++kx) {
        const int64_t x = ox * g.stride_w - g.pad_w + kx * g.dilation_w;
        if (x < 0 || x >= g.width) continue;
        const int64_t from = (image * g.height + y) * g.width + x;
        multiply_add(load<T, kCount>(input + from * g.channels + output / g.group_o),
                     load<T, kCount>(by_tap + (ky * g.kernel_w + kx) * g.outputs + output), sums);
      }
    }
    epilogue.store(at, sums);
  }
}

/// One thread per run of input channels of a pixel.
template <class T, int kCount>
__global__ void backward_data_kernel(int64_t n, Conv2dGeometry g, const T* grad_output,
                                     const T* by_tap, Epilogue<T> epilogue) {
  for (const int64_t i : grid_stride(n)) {
    const int64_t at = i * kCount;
    const int64_t channel = at % g.channels, pixel = at / g.channels;
    const int64_t x = pixel % g.width, line = pixel / g.width;
    const int64_t y = line % g.height, image = line / g.height;
    Accumulate<T> sums[kCount] = {};
    for (int64_t ky = 0; ky < g.kernel_h; ++ky) {
      const int64_t sy = y + g.pad_h - ky * g.dilation_h;
      if (sy < 0 || sy % g.stride_h != 0 || sy / g.stride_h >= g.out_h) continue;
      for (int64_t kx = 0; kx < g.kernel_w; ++kx) {
        const int64_t sx = x + g.pad_w - kx * g.dilation_w;
        if (sx < 0 || sx % g.stride_w != 0 || sx / g.stride_w >= g.out_w) continue;
        const int64_t from = (image * g.out_h + sy / g.stride_h) * g.out_w + sx / g.stride_w;
        for (int64_t o = channel * g.group_o; o < (channel + 1) * g.group_o; ++o) {
          multiply_add(load<T, kCount>(grad_output + from * g.outputs + o),
                       load<T, kCount>(by_tap + (ky * g.kernel_w + kx) * g.outputs + o), sums);
        }
      }
    }
    epilogue.store(at, sums);
  }
}

/// One thread per chunk of output pixels, tap and run of outputs: its part of the weight's
/// gradient, as (chunks, taps, outputs).
template <class T, int kCount>
__global__ void backward_weights_kernel(int64_t n, Conv2dGeometry g, int64_t chunk, const T* input,
                                        const T* grad_output, Run<Accumulate<T>, kCount>* partial) {
  const int64_t pixels = g.batch * g.out_h * g.out_w;
  for (const int64_t i : grid_stride(n)) {
    const int64_t output = i * kCount % g.outputs, line = i * kCount / g.outputs;
    const int64_t tap = line % (g.kernel_h * g.kernel_w);
    const int64_t begin = line / (g.kernel_h * g.kernel_w) * chunk;
    const int64_t end = begin + chunk < pixels ? begin + chunk : pixels;
    const int64_t top = tap / g.kernel_w * g.dilation_h - g.pad_h;
    const int64_t left = tap % g.kernel_w * g.dilation_w - g.pad_w;
    int64_t ox = begin % g.out_w, oy = begin / g.out_w % g.out_h;
    int64_t image = begin / g.out_w / g.out_h;
    Run<Accumulate<T>, kCount> sums = {};
    for (int64_t pixel = begin; pixel < end; ++pixel) {
      const int64_t y = oy * g.stride_h + top, x = ox * g.stride_w + left;
      if (y >= 0 && y < g.height && x >= 0 && x < g.width) {
        const int64_t from = (image * g.height + y) * g.width + x;
        multiply_add(load<T, kCount>(grad_output + pixel * g.outputs + output),
                     load<T, kCount>(input + from * g.channels + output / g.group_o), sums.v);
      }
      if (++ox == g.out_w) {
        ox = 0;
        if (++oy == g.out_h) {
          oy = 0;
          ++image;
        }
      }
    }
    partial[i] = sums;
  }
}

/// n = taps * outputs.
template <class T>
__global__ void join_chunks_kernel(int64_t n, const Accumulate<T>* partial, int64_t chunks,
                                   int64_t outputs, Epilogue<T> epilogue) {
  const int64_t taps = n / outputs;
  for (const int64_t i : grid_stride(n)) {
    Accumulate<T> sum[1] = {};
    for (int64_t chunk = 0; chunk < chunks; ++chunk) sum[0] += partial[chunk * n + i];
    epilogue.store(i % outputs * taps + i / outputs, sum);
  }
}

/// The weight as (taps, outputs).
template <class T>
class WeightByTap {
 public:
  WeightByTap(const Conv2dGeometry& g, const T* weight, Stream stream)
      : memory_(g.outputs * g.kernel_h * g.kernel_w, stream) {
    launch_1d(transpose_kernel<T>, g.outputs * g.kernel_h * g.kernel_w, stream, weight, g.outputs,
              memory_.get());
  }
  const T* get() const { return memory_.get(); }

 private:
  Scratch<T> memory_;
};

/// Calls f with the number of channels that one thread takes: 16 bytes of them where they are
/// neighbours in every operand.
template <class T, class F>
void with_run(const Conv2dGeometry& g, std::initializer_list<const void*> operands, F f) {
  bool packed = g.group_o == 1;
  for (const void* operand : operands) {
    packed = packed && is_packed(static_cast<const T*>(operand), g.channels);
  }
  if (packed) {
    f(std::integral_constant<int, Pack<T>::kSize>{});
  } else {
    f(std::integral_constant<int, 1>{});
  }
}

}  // namespace

template <class T>
void depthwise_forward(const Conv2dGeometry& g, const T* input, const T* weight,
                       const Epilogue<T>& epilogue, Stream stream) {
  const WeightByTap<T> by_tap(g, weight, stream);
  with_run<T>(g, {input, epilogue.output, epilogue.residual},
              [&]<int kCount>(std::integral_constant<int, kCount>) {
                launch_1d(forward_kernel<T, kCount>,
                          g.batch * g.out_h * g.out_w * g.outputs / kCount, stream, g, input,
                          by_tap.get(), epilogue);
              });
}

template <class T>
void depthwise_backward_data(const Conv2dGeometry& g, const T* grad_output, const T* weight,
                             const Epilogue<T>& epilogue, Stream stream) {
  const WeightByTap<T> by_tap(g, weight, stream);
  with_run<T>(g, {grad_output, epilogue.output},
              [&]<int kCount>(std::integral_constant<int, kCount>) {
                launch_1d(backward_data_kernel<T, kCount>,
                          g.batch * g.height * g.width * g.channels / kCount, stream, g,
                          grad_output, by_tap.get(), epilogue);
              });
}

template <class T>
void depthwise_backward_weights(const Conv2dGeometry& g, const T* input, const T* grad_output,
                                const Epilogue<T>& epilogue, Stream stream) {
  using A = Accumulate<T>;
  const int64_t pixels = g.batch * g.out_h * g.out_w;
  const int64_t chunk = std::max(kMinChunk, (pixels + kMaxChunks - 1) / kMaxChunks);
  const int64_t chunks = (pixels + chunk - 1) / chunk;
  const int64_t weights = g.outputs * g.kernel_h * g.kernel_w;
  const Scratch<A> partial(chunks * weights, stream);
  with_run<T>(g, {input, grad_output}, [&]<int kCount>(std::integral_constant<int, kCount>) {
    launch_1d(backward_weights_kernel<T, kCount>, chunks * weights / kCount, stream, g, chunk,
              input, grad_output, reinterpret_cast<Run<A, kCount>*>(partial.get()));
  });
  launch_1d(join_chunks_kernel<T>, weights, stream, partial.get(), chunks, g.outputs, epilogue);
}

template void depthwise_forward(const Conv2dGeometry&, const float*, const float*,
                                const Epilogue<float>&, Stream);
template void depthwise_forward(const Conv2dGeometry&, const double*, const double*,
                                const Epilogue<double>&, Stream);
template void depthwise_forward(const Conv2dGeometry&, const bfloat16*, const bfloat16*,
                                const Epilogue<bfloat16>&, Stream);
template void depthwise_forward(const Conv2dGeometry&, const float16*, const float16*,
                                const Epilogue<float16>&, Stream);
template void depthwise_backward_data(const Conv2dGeometry&, const float*, const float*,
                                      const Epilogue<float>&, Stream);
template void depthwise_backward_data(const Conv2dGeometry&, const double*, const double*,
                                      const Epilogue<double>&, Stream);
template void depthwise_backward_data(const Conv2dGeometry&, const bfloat16*, const bfloat16*,
                                      const Epilogue<bfloat16>&, Stream);
template void depthwise_backward_data(const Conv2dGeometry&, const float16*, const float16*,
                                      const Epilogue<float16>&, Stream);
template void depthwise_backward_weights(const Conv2dGeometry&, const float*, const float*,
                                         const Epilogue<float>&, Stream);
template void depthwise_backward_weights(const Conv2dGeometry&, const double*, const double*,
                                         const Epilogue<double>&, Stream);
template void depthwise_backward_weights(const Conv2dGeometry&, const bfloat16*, const bfloat16*,
                                         const Epilogue<bfloat16>&, Stream);
template void depthwise_backward_weights(const Conv2dGeometry&, const float16*, const float16*,
                                         const Epilogue<float16>&, Stream);

}  // namespace kestrel::gpu
