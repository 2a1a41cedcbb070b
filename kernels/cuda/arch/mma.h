#pragma once

#include <cuda_runtime.h>

#include <bit>
#include <cstdint>

/// Tensor-core products, sum += a * b, by a whole warp: m16n8k16 of bfloat16 or float16 and
/// m16n8k8 of tf32, all with float sums. Each lane holds its fragments as PTX lays them out
/// ("Matrix fragments for mma").
namespace kestrel::gpu {

__device__ inline void mma_m16n8k16_bf16(float (&sum)[4], const uint32_t (&a)[4],
                                         const uint32_t (&b)[2]) {
#ifdef CUDA_SIM
  cuda_sim::mma_m16n8k16_bf16(sum, a, b, sum);
#else
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

__device__ inline void mma_m16n8k16_f16(float (&sum)[4], const uint32_t (&a)[4],
                                        const uint32_t (&b)[2]) {
#ifdef CUDA_SIM
  cuda_sim::mma_m16n8k16_f16(sum, a, b, sum);
#else
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

__device__ inline void mma_m16n8k8_tf32(float (&sum)[4], const uint32_t (&a)[4],
                                        const uint32_t (&b)[2]) {
#ifdef CUDA_SIM
  cuda_sim::mma_m16n8k8_tf32(sum, a, b, sum);
#else
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

/// The bits of a float rounded to tf32: 10 bits of fraction, to nearest, ties away from zero.
__device__ inline uint32_t to_tf32(uint32_t bits) {
#ifdef CUDA_SIM
  const bool finite = (bits & 0x7f800000u) != 0x7f800000u;
  return finite ? (bits + 0x1000u) & 0xffffe000u : bits;
#else
  uint32_t result;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(result) : "f"(std::bit_cast<float>(bits)));
  return result;
#endif
}

}  // namespace kestrel::gpu
