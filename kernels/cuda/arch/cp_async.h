#pragma once

#include <cuda_runtime.h>

#include <cstdint>

/// Copies from global to shared memory that run beside the thread that starts them. Copies belong
/// to the group that the thread commits next; a wait makes them visible to that thread only, a
/// barrier after it to the block.
namespace kestrel::gpu {

/// 16 bytes, both addresses multiples of 16; zeros, and nothing is read, unless `valid`.
__device__ inline void cp_async_16(void* shared, const void* global, bool valid) {
#ifdef CUDA_SIM
  cuda_sim::cp_async_16(shared, global, valid);
#else
  const auto to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(bytes)
               : "memory");
#endif
}

__device__ inline void cp_async_commit() {
#ifdef CUDA_SIM
  cuda_sim::cp_async_commit();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/// Waits until at most kPending of this thread's groups, the latest, are under way.
template <int kPending>
__device__ inline void cp_async_wait() {
#ifdef CUDA_SIM
  cuda_sim::cp_async_wait(kPending);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#endif
}

}  // namespace kestrel::gpu
