#pragma once

#include <kestrel/kernels/error.h>

namespace kestrel::gpu {

/// The body of every gpu:: kernel in a build without CUDA.
[[noreturn]] inline void no_cuda(const char* op) {
  fail("[", op,
       "] this Kestrel was built without CUDA; use Device::cpu(), or build with "
       "-DKESTREL_CUDA=ON");
}

}  // namespace kestrel::gpu
