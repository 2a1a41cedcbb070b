#include <kestrel/kernels/cpu_info.h>

#include <kestrel/kernels/cpu/simd_targets.h>

#include <hwy/highway.h>
#include <oneapi/dnnl/dnnl.hpp>

#include <array>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include <kestrel/kernels/cpu/conv2d_onednn.h>

namespace kestrel::cpu {
namespace {

/// What follows the colon of the first line of /proc/cpuinfo that begins so.
std::string cpuinfo_line(const std::string& key) {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const size_t colon = line.find(':');
    if (line.starts_with(key) && colon != std::string::npos && colon + 2 < line.size()) {
      return line.substr(colon + 2);
    }
  }
  return {};
}

std::vector<std::string> instructions() {
  constexpr std::array<std::pair<const char*, const char*>, 6> kFlags = {{{"avx2", "AVX2"},
                                                                          {"fma", "FMA"},
                                                                          {"avx512bw", "AVX-512"},
                                                                          {"avx512_vnni", "VNNI"},
                                                                          {"avx512_bf16", "BF16"},
                                                                          {"amx_bf16", "AMX"}}};
  std::set<std::string> flags;
  std::istringstream words(cpuinfo_line("flags"));
  for (std::string word; words >> word;) flags.insert(word);
  std::vector<std::string> found;
  for (const auto& [flag, name] : kFlags) {
    if (flags.contains(flag)) found.emplace_back(name);
  }
  return found;
}

std::string onednn() {
  const dnnl_version_t& version = *dnnl_version();
  const auto isa = dnnl::get_effective_cpu_isa();
  const auto has = [&](dnnl::cpu_isa needed) {
    return (static_cast<unsigned>(isa) & static_cast<unsigned>(needed)) ==
           static_cast<unsigned>(needed);
  };
  const char* used = has(dnnl::cpu_isa::avx512_core_amx)    ? "AMX"
                     : has(dnnl::cpu_isa::avx512_core_bf16) ? "AVX-512 and BF16"
                     : has(dnnl::cpu_isa::avx512_core)      ? "AVX-512"
                                                            : "AVX2";
  std::ostringstream text;
  text << version.major << '.' << version.minor << '.' << version.patch << " with " << used;
  return text.str();
}

std::string bfloat16_convolutions() {
  const bool amx = dnnl::get_effective_cpu_isa() == dnnl::cpu_isa::avx512_core_amx;
  switch (conv2d_path()) {
    case Conv2dPath::Own:
      return "Kestrel's own, in float32 (KESTREL_CONV=own)";
    case Conv2dPath::Direct:
      return "Kestrel's own, in float32, without Winograd (KESTREL_CONV=direct)";
    case Conv2dPath::OneDnn:
      return onednn_has_bfloat16()
                 ? "oneDNN (KESTREL_CONV=onednn)"
                 : "Kestrel's own, in float32: oneDNN has none for this processor";
    case Conv2dPath::Auto:
      break;
  }
  return amx ? "oneDNN, through AMX" : "Kestrel's own, in float32: the processor has no AMX";
}

}  // namespace

CpuInfo cpu_info() {
  return {.name = cpuinfo_line("model name"),
          .instructions = instructions(),
          .vectors = (hwy::SupportedTargets() & HWY_AVX3) != 0 ? "AVX-512" : "AVX2",
          .onednn = onednn(),
          .float32_convolutions = "Kestrel's own: Winograd for 3 x 3, else matrix products",
          .bfloat16_convolutions = bfloat16_convolutions()};
}

}  // namespace kestrel::cpu
