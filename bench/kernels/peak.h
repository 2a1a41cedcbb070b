#pragma once

#include <optional>

#include <kestrel/tensor/device.h>

namespace kestrel::bench {

/// What a device was measured to reach with nothing else to do.
struct Peak {
  double flops = 0;                    ///< Float32 multiply-adds on ordinary cores, a second.
  std::optional<double> tensor_flops;  ///< Bfloat16 on tensor cores.
  double bytes = 0;                    ///< Read and written, a second, from memory.
};

/// Float32 multiply-adds a second of the CPU, in the vectors that Highway may use.
double cpu_flops(double scale);

/// On the CPU with the number of threads that is set. `scale` shortens it: 1 is about a second.
Peak measure_peak(Device device, double scale = 1);

}  // namespace kestrel::bench
