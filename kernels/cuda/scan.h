#pragma once

#include <kestrel/kernels/cuda/reduce.h>

namespace kestrel::gpu {

/// The sum of the values of this and all earlier lanes. Every lane must call it.
template <class T>
__device__ T warp_inclusive_sum(T value) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int step = 1; step < kWarp; step *= 2) {
    const T before = __shfl_up_sync(kFullWarp, value, step);
    if (lane >= step) value += before;
  }
  return value;
}

/// The sum of the values of all earlier threads of the block; `total` becomes that of the block.
/// `scratch` is shared memory for one value per warp (at most 32). Every thread must call it.
/// Begins and ends with a barrier, so that scratch may be used again at once.
template <class T>
__device__ T block_exclusive_sum(T value, T* scratch, T& total) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  const T own = warp_inclusive_sum(value);
  __syncthreads();
  if (lane == kWarp - 1) scratch[warp] = own;
  __syncthreads();
  const T sums = warp_inclusive_sum(lane < warps ? scratch[lane] : T(0));
  total = __shfl_sync(kFullWarp, sums, kWarp - 1);
  const T earlier = __shfl_sync(kFullWarp, sums, warp == 0 ? 0 : warp - 1);
  __syncthreads();
  return (warp == 0 ? T(0) : earlier) + own - value;
}

}  // namespace kestrel::gpu
