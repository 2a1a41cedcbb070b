#pragma once

#include <cuda_runtime.h>

/// Shared memory that one source can declare for nvcc and for the simulator, whose cuda_runtime.h
/// defines CUDA_SIM and both names.
///
///   SHARED(float, tile, [32][33]);          // float tile[32][33], one per block
///   float* scratch = dynamic_shared<float>();  // as long as the launch asked for
#ifndef CUDA_SIM
#define SHARED(type, name, dims) __shared__ type name dims

template <class T>
__device__ inline T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char kestrel_dynamic_shared[];
  return reinterpret_cast<T*>(kestrel_dynamic_shared);
}
#endif
