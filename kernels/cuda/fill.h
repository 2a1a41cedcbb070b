#pragma once

#include <kestrel/kernels/cuda/launch.h>

namespace kestrel::gpu {

template <class T>
__global__ void fill_kernel(int64_t n, T* to, T value) {
  for (const int64_t i : grid_stride(n)) to[i] = value;
}

/// Sets n values from `to` on.
template <class T>
void fill(T* to, int64_t n, T value, Stream stream) {
  launch_1d(fill_kernel<T>, n, stream, to, value);
}

}  // namespace kestrel::gpu
