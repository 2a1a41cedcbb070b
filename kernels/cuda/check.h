#pragma once

#include <cuda_runtime.h>

namespace kestrel::gpu {

/// Throws Error, or OutOfMemoryError, naming the call and CUDA's own text, unless `status` is
/// success.
void check(cudaError_t status, const char* call, const char* file, int line);

}  // namespace kestrel::gpu

#define CUDA_CHECK(call) ::kestrel::gpu::check((call), #call, __FILE__, __LINE__)
