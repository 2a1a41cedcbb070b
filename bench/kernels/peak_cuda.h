#pragma once

#include "peak.h"

namespace kestrel::bench {

/// Throws in a build without CUDA.
Peak measure_cuda_peak(Device device, double scale);

}  // namespace kestrel::bench
