#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace kestrel::gpu {

/// Four 8x8 matrices of 16-bit values from shared memory, by a whole warp: lanes 8i to 8i + 7 name
/// the 16-byte rows of matrix i. Lane l receives elements (l / 4, 2 * (l % 4)) and its right
/// neighbour of each; with `kTransposed`, those of the transposed matrices.
template <bool kTransposed>
__device__ inline void ldmatrix_x4(uint32_t (&to)[4], const void* row) {
#ifdef CUDA_SIM
  cuda_sim::ldmatrix_x4(to, row, kTransposed);
#else
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  if constexpr (kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address)
                 : "memory");
  }
#endif
}

}  // namespace kestrel::gpu
