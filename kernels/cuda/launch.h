#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include <kestrel/kernels/cuda/check.h>
#include <kestrel/kernels/cuda/shared.h>
#include <kestrel/kernels/device.h>

/// How every kernel is started.
namespace kestrel::gpu {

struct LaunchConfig {
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;
  Stream stream;
};

/// Makes a device the thread's current one.
void use_device(int device);
/// Throws where the launch failed. KESTREL_CUDA_SYNC=1 waits for the kernel first, so that its own
/// errors are reported here too.
void finish_launch(cudaError_t status, Stream stream);

/// kernel<<<grid, block, shared_bytes, stream>>>(args...), each argument converted to the kernel's
/// own parameter type.
template <class... Parameters, class... Args>
void launch(void (*kernel)(Parameters...), const LaunchConfig& config, Args&&... args) {
  static_assert(sizeof...(Parameters) == sizeof...(Args), "one argument per kernel parameter");
  use_device(config.stream.device);
  const auto start = [&](Parameters... values) {
    void* pointers[] = {static_cast<void*>(&values)..., nullptr};
    return cudaLaunchKernel(kernel, config.grid, config.block, pointers, config.shared_bytes,
                            static_cast<cudaStream_t>(config.stream.handle));
  };
  finish_launch(start(static_cast<Parameters>(std::forward<Args>(args))...), config.stream);
}

/// Starts a kernel whose first parameter is the number of items, int64_t n, and whose body is
/// for (const int64_t i : grid_stride(n)). Does nothing where n is 0.
template <class... Parameters, class... Args>
void launch_1d(void (*kernel)(int64_t, Parameters...), int64_t n, Stream stream, Args&&... args) {
  if (n <= 0) return;
  constexpr int64_t kMaxBlocks = 65536;
  const int threads = block_size();
  const int64_t blocks = std::min((n + threads - 1) / threads, kMaxBlocks);
  launch(kernel,
         {dim3(static_cast<unsigned>(blocks)), dim3(static_cast<unsigned>(threads)), 0, stream}, n,
         std::forward<Args>(args)...);
}

/// The items [0, n) of this thread of a one-dimensional grid.
class GridStride {
 public:
  class Iterator {
   public:
    __device__ Iterator(int64_t at, int64_t step) : at_(at), step_(step) {}
    __device__ int64_t operator*() const { return at_; }
    __device__ Iterator& operator++() {
      at_ += step_;
      return *this;
    }
    __device__ bool operator!=(const Iterator& end) const { return at_ < end.at_; }

   private:
    int64_t at_, step_;
  };

  __device__ explicit GridStride(int64_t n)
      : begin_(int64_t{blockIdx.x} * blockDim.x + threadIdx.x),
        step_(int64_t{blockDim.x} * gridDim.x),
        n_(n) {}
  __device__ Iterator begin() const { return {begin_, step_}; }
  __device__ Iterator end() const { return {n_, step_}; }

 private:
  int64_t begin_, step_, n_;
};

__device__ inline GridStride grid_stride(int64_t n) {
  return GridStride(n);
}

}  // namespace kestrel::gpu
