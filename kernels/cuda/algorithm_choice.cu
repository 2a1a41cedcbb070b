#include <kestrel/kernels/cuda/algorithm_choice.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <mutex>
#include <optional>

#include <kestrel/kernels/conv2d.h>
#include <kestrel/kernels/cuda/check.h>
#include <kestrel/kernels/cuda/launch.h>
#include <kestrel/kernels/error.h>

namespace kestrel::gpu {
namespace {

constexpr const char* kOwn = "implicit_gemm";
constexpr const char* kLibrary = "cudnn";

ConvAlgorithm named_algorithm() {
  const char* text = std::getenv("KESTREL_CUDA_CONV");
  const std::string name = text ? text : "auto";
  if (name == "auto") return ConvAlgorithm::Auto;
  if (name == kOwn) return ConvAlgorithm::ImplicitGemm;
  if (name == kLibrary && has_cudnn()) return ConvAlgorithm::Cudnn;
  fail<UsageError>(
      "[cuda] KESTREL_CUDA_CONV must be auto, implicit_gemm or, in a build with cuDNN, "
      "cudnn; got '",
      name, "'");
}

std::atomic<ConvAlgorithm>& chosen_algorithm() {
  static std::atomic<ConvAlgorithm> algorithm = named_algorithm();
  return algorithm;
}

/// What Auto found. A line of the file: the device, a tab, the key, a tab, who is faster.
class Choices {
 public:
  std::optional<bool> find(const std::string& key) {
    const std::lock_guard lock(mutex_);
    read_file();
    const auto found = use_library_.find(key);
    if (found == use_library_.end()) return std::nullopt;
    return found->second;
  }
  void add(const std::string& key, bool use_library) {
    const std::lock_guard lock(mutex_);
    if (!use_library_.emplace(key, use_library).second) return;
    if (const char* path = std::getenv("KESTREL_CONV_CACHE")) {
      std::ofstream(path, std::ios::app) << key << '\t' << (use_library ? kLibrary : kOwn) << '\n';
    }
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    use_library_.clear();
    file_read_ = false;
  }

 private:
  /// A line that is not understood is left out: its shape is measured again.
  void read_file() {
    if (std::exchange(file_read_, true)) return;
    const char* path = std::getenv("KESTREL_CONV_CACHE");
    if (!path) return;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      const size_t tab = line.rfind('\t');
      if (tab == std::string::npos) continue;
      const std::string who = line.substr(tab + 1);
      if (who == kOwn || who == kLibrary)
        use_library_.emplace(line.substr(0, tab), who == kLibrary);
    }
  }

  std::mutex mutex_;
  bool file_read_ = false;
  std::map<std::string, bool> use_library_;
};

Choices& choices() {
  static auto* all = new Choices;
  return *all;
}

/// The least time of several runs, the first of which does not count.
template <class F>
double seconds_of(F work, Stream stream) {
  constexpr int kRuns = 5;
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i <= kRuns; ++i) {
    synchronize(stream);
    const auto start = std::chrono::steady_clock::now();
    work();
    synchronize(stream);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    if (i > 0) best = std::min(best, taken.count());
  }
  return best;
}

bool is_captured(Stream stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  CUDA_CHECK(cudaStreamIsCapturing(static_cast<cudaStream_t>(stream.handle), &status));
  return status != cudaStreamCaptureStatusNone;
}

}  // namespace

void set_conv_algorithm(ConvAlgorithm algorithm) {
  if (algorithm == ConvAlgorithm::Cudnn && !has_cudnn()) {
    fail<UsageError>("[cuda] this build has no cuDNN; configure with -DKESTREL_WITH_CUDNN=ON");
  }
  chosen_algorithm() = algorithm;
}

ConvAlgorithm conv_algorithm() {
  return chosen_algorithm();
}

void do_either(const TwoWays& work, Stream stream) {
  const ConvAlgorithm algorithm = conv_algorithm();
  if (algorithm == ConvAlgorithm::Cudnn) {
    if (!work.library()) work.own();
    return;
  }
  if (algorithm == ConvAlgorithm::ImplicitGemm) return work.own();
  const std::string key = device_name(stream.device) + '\t' + work.key;
  const std::optional<bool> known = choices().find(key);
  if (known.value_or(false) && work.library()) return;
  if (known || !work.repeatable || is_captured(stream)) return work.own();
  if (!work.library()) {
    choices().add(key, false);
    return work.own();
  }
  const double library = seconds_of(work.library, stream);
  const double own = seconds_of(work.own, stream);
  choices().add(key, library < own);
  // Done once more: the result must not depend on who was measured last.
  if (library < own) work.library();
}

void forget_choices() {
  choices().forget();
}

}  // namespace kestrel::gpu
