#pragma once

#include <string>
#include <vector>

namespace kestrel::cpu {

/// The processor, and what kernels use of it.
struct CpuInfo {
  std::string name;  ///< "Intel(R) Xeon(R) Processor @ 2.50GHz".
  /// What it has of AVX2, FMA, AVX-512, AVX512-VNNI, AVX512-BF16 and AMX.
  std::vector<std::string> instructions;
  std::string vectors;                ///< What Kestrel's kernels use: "AVX-512" or "AVX2".
  std::string onednn;                 ///< oneDNN's version, and what it uses: "2.6.0 with AVX-512".
  std::string float32_convolutions;   ///< How they are computed.
  std::string bfloat16_convolutions;  ///< By whom.
};

/// Throws UsageError where KESTREL_CONV in the environment names nothing.
CpuInfo cpu_info();

}  // namespace kestrel::cpu
