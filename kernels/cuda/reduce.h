#pragma once

#include <kestrel/kernels/cuda/shared.h>

/// Reductions over a warp and over a block, in an order that does not depend on the schedule.
namespace kestrel::gpu {

inline constexpr unsigned kFullWarp = 0xffffffffu;
inline constexpr int kWarp = 32;

struct Sum {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Max {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};
struct Min {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return b < a ? b : a;
  }
};

/// The reduction over groups of `lanes` lanes, a power of two, in every lane. Every lane of the
/// warp must call it.
template <class Op, class T>
__device__ T group_reduce(T value, int lanes, Op op = {}) {
  for (int step = lanes / 2; step > 0; step /= 2) {
    value = op(value, __shfl_xor_sync(kFullWarp, value, step));
  }
  return value;
}

/// The reduction over all 32 lanes, in every lane. Every lane must call it.
template <class Op, class T>
__device__ T warp_reduce(T value, Op op = {}) {
  return group_reduce<Op>(value, kWarp, op);
}

/// The reduction over the block, in every thread. `scratch` is shared memory for one value per warp
/// (at most 32). Every thread must call it; block sizes are multiples of 32. Begins and ends with a
/// barrier, so that scratch may be used again at once.
template <class Op, class T>
__device__ T block_reduce(T value, T identity, T* scratch, Op op = {}) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  value = warp_reduce<Op>(value, op);
  __syncthreads();
  if (lane == 0) scratch[warp] = value;
  __syncthreads();
  value = warp_reduce<Op>(lane < warps ? scratch[lane] : identity, op);
  __syncthreads();
  return value;
}

}  // namespace kestrel::gpu
