#include <kestrel/kernels/error.h>

#include "peak_cuda.h"

namespace kestrel::bench {

Peak measure_cuda_peak(Device, double) {
  fail<UsageError>("[kernel_bench] built without CUDA");
}

}  // namespace kestrel::bench
