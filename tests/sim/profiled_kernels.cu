// Kernels whose traffic is known by counting on paper.

#include <cuda_runtime.h>

#include "launch.h"
#include "profiled_kernels.h"

namespace planted {
namespace {

struct alignas(16) Four {
  float x, y, z, w;
};

__global__ void copy_coalesced(const float* in, float* out) {
  out[threadIdx.x] = in[threadIdx.x];
}
__global__ void copy_by_block(const float* in, float* out) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  out[i] = in[i];
}
__global__ void copy_strided(const float* in, float* out) {
  out[threadIdx.x] = in[threadIdx.x * 2];
}
__global__ void copy_vectors(const Four* in, Four* out) {
  out[threadIdx.x] = in[threadIdx.x];
}
/// Through shared memory in vectors, which four quarters of a warp do one after another.
__global__ void vectors_in_shared(const Four* in, Four* out) {
  SHARED(Four, tile, [32]);
  tile[threadIdx.x] = in[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = tile[31 - threadIdx.x];
}
template <int pitch>
__device__ void transpose(const float* in, float* out, float* tile) {
  for (int row = 0; row < 32; ++row) tile[row * pitch + threadIdx.x] = in[row * 32 + threadIdx.x];
  __syncthreads();
  for (int row = 0; row < 32; ++row) out[row * 32 + threadIdx.x] = tile[threadIdx.x * pitch + row];
}
__global__ void transpose_in_one_bank(const float* in, float* out) {
  SHARED(float, tile, [32 * 32]);
  transpose<32>(in, out, tile);
}
__global__ void transpose_padded(const float* in, float* out) {
  SHARED(float, tile, [32 * 33]);
  transpose<33>(in, out, tile);
}

}  // namespace

void run_eight_blocks() {
  const Buffer<float> in(256);
  const Buffer<float> out(256);
  start(copy_by_block, dim3(8), dim3(32), 0, nullptr, in.get(), out.get());
  cudaDeviceSynchronize();
}

void run_profiled_kernels() {
  const Buffer<float> in(4096);
  const Buffer<float> out(4096);
  const auto* vectors = reinterpret_cast<const Four*>(in.get());
  auto* to_vectors = reinterpret_cast<Four*>(out.get());
  start(copy_coalesced, dim3(1), dim3(64), 0, nullptr, in.get(), out.get());
  start(copy_strided, dim3(1), dim3(64), 0, nullptr, in.get(), out.get());
  start(copy_vectors, dim3(1), dim3(64), 0, nullptr, vectors, to_vectors);
  start(vectors_in_shared, dim3(1), dim3(32), 0, nullptr, vectors, to_vectors);
  start(transpose_in_one_bank, dim3(1), dim3(32), 0, nullptr, in.get(), out.get());
  start(transpose_padded, dim3(1), dim3(32), 0, nullptr, in.get(), out.get());
  cudaDeviceSynchronize();
}

}  // namespace planted
