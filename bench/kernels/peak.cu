// What a GPU reaches with nothing else to do. Compiled only where there are CUDA kernels.

#include <kestrel/kernels/cuda/arch/mma.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/tensor/tensor.h>

#include <chrono>

#include "peak_cuda.h"

namespace kestrel::bench {
namespace {

constexpr int kChains = 16;

__global__ void multiply_adds_kernel(int64_t rounds, float m, float a, float* out) {
  float chain[kChains];
  for (int c = 0; c < kChains; ++c) chain[c] = static_cast<float>(threadIdx.x + c);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma unroll
    for (int c = 0; c < kChains; ++c) chain[c] = chain[c] * m + a;
  }
  float sum = 0;
  for (int c = 0; c < kChains; ++c) sum += chain[c];
  out[int64_t{blockIdx.x} * blockDim.x + threadIdx.x] = sum;
}

constexpr int kTiles = 8;  // Independent products of a warp.

__global__ void tensor_products_kernel(int64_t rounds, uint32_t seed, float* out) {
  const uint32_t a[4] = {seed, seed, seed, seed};
  const uint32_t b[2] = {seed, seed};
  float sum[kTiles][4] = {};
  for (int64_t r = 0; r < rounds; ++r) {
#pragma unroll
    for (int t = 0; t < kTiles; ++t) gpu::mma_m16n8k16_bf16(sum[t], a, b);
  }
  float total = 0;
  for (int t = 0; t < kTiles; ++t) total += sum[t][0] + sum[t][1] + sum[t][2] + sum[t][3];
  out[int64_t{blockIdx.x} * blockDim.x + threadIdx.x] = total;
}

__global__ void copy_kernel(int64_t n, const uint4* from, uint4* to) {
  for (const int64_t i : gpu::grid_stride(n)) to[i] = from[i];
}

/// The best of some runs of f, in seconds.
template <class F>
double best_seconds(Stream stream, F f) {
  double best = 1e30;
  for (int i = 0; i < 5; ++i) {
    gpu::synchronize(stream);
    const auto begin = std::chrono::steady_clock::now();
    f();
    gpu::synchronize(stream);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    best = std::min(best, elapsed.count());
  }
  return best;
}

}  // namespace

Peak measure_cuda_peak(Device device, double scale) {
  const Stream stream = gpu::current_stream(device.index());
  const auto at_least_one = [scale](double x) {
    return std::max<int64_t>(1, static_cast<int64_t>(x * scale));
  };
  constexpr int kThreads = 256;
  const int64_t blocks = at_least_one(2048);  // More than any GPU holds at once.
  const auto threads = static_cast<double>(blocks * kThreads);
  const gpu::LaunchConfig all{dim3(static_cast<unsigned>(blocks)), dim3(kThreads), 0, stream};
  Tensor out = Tensor::empty({blocks * kThreads}, DType::Float32, device);

  Peak peak;
  const int64_t rounds = at_least_one(20000);
  const double multiply_adds = best_seconds(stream, [&] {
    gpu::launch(multiply_adds_kernel, all, rounds, 0.999F, 1e-3F, static_cast<float*>(out.raw()));
  });
  peak.flops = 2.0 * kChains * static_cast<double>(rounds) * threads / multiply_adds;
  const double products = best_seconds(stream, [&] {
    gpu::launch(tensor_products_kernel, all, rounds, 0x3f803f80U, static_cast<float*>(out.raw()));
  });
  peak.tensor_flops =
      2.0 * 16 * 8 * 16 * kTiles * static_cast<double>(rounds) * (threads / 32) / products;
  const int64_t vectors = at_least_one(3.2e7);
  const Tensor from = Tensor::zeros({vectors * 4}, DType::Float32, device);
  Tensor to = Tensor::empty({vectors * 4}, DType::Float32, device);
  const double copying = best_seconds(stream, [&] {
    gpu::launch_1d(copy_kernel, vectors, stream, static_cast<const uint4*>(from.raw()),
                   static_cast<uint4*>(to.raw()));
  });
  peak.bytes = 2.0 * 16 * static_cast<double>(vectors) / copying;
  return peak;
}

}  // namespace kestrel::bench
