#include <kestrel/engine/diagnosis/environment.h>

#include <kestrel_build_info.h>

#include <cstdlib>
#include <exception>
#include <optional>
#include <set>
#include <type_traits>
#include <variant>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <kestrel/data/datasets/open.h>
#include <kestrel/engine/diagnosis/machine.h>
#include <kestrel/engine/plots/canvas.h>
#include <kestrel/kernels/cpu_info.h>
#include <kestrel/kernels/device.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kGigabyte = int64_t{1} << 30;
constexpr size_t kMostDataSets = 12;

class Examination {
 public:
  explicit Examination(fs::path runs) : runs_(std::move(runs)) {}

  EnvironmentReport examine() {
    build();
    processor();
    memory();
    devices();
    libraries();
    runs();
    data();
    weights();
    return std::move(report_);
  }

 private:
  void fact(std::string name, std::string value) {
    report_.facts.emplace_back(std::move(name), std::move(value));
  }
  void problem(std::string text) { report_.problems.push_back(std::move(text)); }

  void build() {
    const std::string type = KESTREL_BUILD_TYPE, sanitizers = KESTREL_BUILD_SANITIZERS;
    fact("Kestrel", fmt::format("{}, revision {}", KESTREL_VERSION, KESTREL_REVISION));
    fact("build", fmt::format("{}, {}{}", type, KESTREL_COMPILER,
                              sanitizers.empty() ? "" : ", -fsanitize=" + sanitizers));
    if (type == "Debug" || type.empty()) {
      problem(
          "This build is not optimised and many times slower than it could be: build with "
          "cmake --preset release.");
    }
    if (!sanitizers.empty()) {
      problem(
          "This build has sanitizers and is several times slower: build with cmake --preset "
          "release for real work.");
    }
  }

  void processor() {
    try {
      const cpu::CpuInfo info = cpu::cpu_info();
      fact("processor",
           fmt::format("{}, {} of {} cores usable", info.name, usable_cores(), machine_cores()));
      fact("",
           fmt::format("has {}; kernels use {}", fmt::join(info.instructions, ", "), info.vectors));
      fact("convolutions", "float32: " + info.float32_convolutions);
      fact("", "bfloat16: " + info.bfloat16_convolutions);
      onednn_ = info.onednn;
    } catch (const Error& error) {
      problem(error.what());
    }
    const int threads = num_threads();
    const char* set = std::getenv("OMP_NUM_THREADS");
    fact("threads", fmt::format("{}{}", threads,
                                set ? fmt::format(" (OMP_NUM_THREADS={})", set) : std::string()));
    if (threads > usable_cores()) {
      problem(
          fmt::format("{} threads on {} usable cores get in each other's way: --threads {}, or "
                      "OMP_NUM_THREADS={}.",
                      threads, usable_cores(), usable_cores(), usable_cores()));
    } else if (threads < usable_cores()) {
      problem(
          fmt::format("Only {} of {} usable cores are used: unset OMP_NUM_THREADS, or "
                      "--threads {}.",
                      threads, usable_cores(), usable_cores()));
    }
  }

  void memory() {
    const MachineMemory memory = machine_memory();
    if (memory.total == 0) return;
    const auto gigabytes = [](int64_t bytes) { return static_cast<double>(bytes) / kGigabyte; };
    fact("memory", fmt::format("{:.1f} GB, {:.1f} GB of it free", gigabytes(memory.total),
                               gigabytes(memory.available)));
    if (memory.available < 2 * kGigabyte) {
      problem(
          "Less than 2 GB of memory are free: end other programs, or train with a smaller "
          "--batch and --image-size.");
    }
  }

  void devices() {
    const int count = gpu::device_count();
    const std::string build = KESTREL_BUILD_CUDA;
    if (build == "OFF") {
      fact("devices", "cpu; built without CUDA (cmake --preset cuda has it)");
      return;
    }
    fact("devices", build == "SIM" ? "cpu; CUDA is simulated, for tests" : "cpu");
    for (int i = 0; i < count; ++i) fact("", fmt::format("cuda:{} {}", i, gpu::device_name(i)));
    if (count == 0) {
      problem(
          "Built with CUDA, but there is no device: look at nvidia-smi, and at "
          "CUDA_VISIBLE_DEVICES.");
    }
  }

  void libraries() {
    fact("libraries", (onednn_.empty() ? "" : "oneDNN " + onednn_ + ", ") + KESTREL_LIBRARIES);
    if (Canvas(8, 8).text_width("Kestrel") <= 0) {
      problem("There is no font for texts on pictures: install fonts-dejavu-core.");
    }
  }

  void runs() {
    const bool writable = is_writable(runs_);
    const int64_t space = free_disk_space(runs_);
    fact("runs", fmt::format("{} {} be written, {:.1f} GB are free", fs::absolute(runs_).string(),
                             writable ? "can" : "cannot", static_cast<double>(space) / kGigabyte));
    if (!writable) {
      problem(fmt::format("{} cannot be written: start in another folder, or give --out.",
                          fs::absolute(runs_).string()));
    }
    if (space < kGigabyte) {
      problem(
          "Less than 1 GB of disk is free there; a run of RetinaNet-R50 keeps about 0.8 GB: "
          "make room, or give --out.");
    }
  }

  void data() {
    std::vector<fs::path> folders = {"data"};
    if (const char* folder = std::getenv("KESTREL_DATA")) {
      folders.emplace_back(folder);
      if (!fs::is_directory(folder)) {
        problem(
            fmt::format("KESTREL_DATA is {}, which is no folder: set it to the folder that "
                        "data sets lie in.",
                        folder));
      }
    }
    std::vector<std::string> found;
    for (const fs::path& folder : folders) {
      std::error_code error;
      std::set<fs::path> entries;
      for (const auto& entry : fs::directory_iterator(folder, error)) {
        if (entry.is_directory(error)) entries.insert(entry.path());
      }
      for (const fs::path& entry : entries) {
        if (const auto kind = kind_of(entry)) found.push_back(entry.string() + " (" + *kind + ")");
      }
    }
    const char* set = std::getenv("KESTREL_DATA");
    const std::string where =
        set ? std::string("./data or ") + set : "./data (KESTREL_DATA is not set)";
    if (found.empty()) fact("data sets", "none in " + where);
    for (size_t i = 0; i < found.size(); ++i) {
      if (i == kMostDataSets) {
        fact("", fmt::format("and {} more", found.size() - i));
        break;
      }
      fact(i == 0 ? "data sets" : "", found[i]);
    }
  }

  static std::optional<std::string> kind_of(const fs::path& folder) {
    try {
      std::string type = to_config(recognise(folder, Split::Val)).at("type").as_string();
      return type.substr(0, type.find("Dataset"));
    } catch (const std::exception&) {
      return {};
    }
  }

  /// Where backbones' weights are looked for (find_pretrained), and what lies there.
  void weights() {
    const char* set = std::getenv("KESTREL_WEIGHTS");
    std::string text;
    std::vector<fs::path> places = {"weights"};
    if (set) places.insert(places.begin(), set);
    for (const fs::path& place : places) {
      text += fmt::format("{}{}: {}", text.empty() ? "" : "; ",
                          set && place == set ? fmt::format("KESTREL_WEIGHTS={}", set)
                                              : fmt::format("./{}", place.string()),
                          weights_in(place));
    }
    fact("weights", set ? text : text + " (KESTREL_WEIGHTS is not set)");
    if (set && !fs::is_directory(set)) {
      problem(
          fmt::format("KESTREL_WEIGHTS is {}, which is no folder: set it to the folder that "
                      "pretrained weights lie in.",
                      set));
    }
  }

  static std::string weights_in(const fs::path& folder) {
    std::vector<std::string> names;
    std::error_code code;
    if (!fs::is_directory(folder, code)) return "no such folder";
    for (const auto& entry : fs::directory_iterator(folder, code)) {
      const fs::path extension = entry.path().extension();
      if (extension == ".pth" || extension == ".safetensors") {
        names.push_back(entry.path().filename().string());
      }
    }
    std::ranges::sort(names);
    constexpr size_t kShown = 5;
    const size_t more = names.size() > kShown ? names.size() - kShown : 0;
    names.resize(names.size() - more);
    if (names.empty()) return "no weights";
    return fmt::format("{}", fmt::join(names, ", ")) +
           (more > 0 ? fmt::format(" and {} more", more) : "");
  }

  fs::path runs_;
  std::string onednn_;
  EnvironmentReport report_;
};

/// Lines of at most `width` characters, broken at blanks.
std::vector<std::string> wrapped(const std::string& text, size_t width) {
  std::vector<std::string> lines;
  size_t begin = 0;
  while (text.size() - begin > width) {
    size_t end = text.rfind(' ', begin + width);
    if (end == std::string::npos || end <= begin) end = begin + width;
    lines.push_back(text.substr(begin, end - begin));
    begin = text[end] == ' ' ? end + 1 : end;
  }
  lines.push_back(text.substr(begin));
  return lines;
}

}  // namespace

std::string EnvironmentReport::text() const {
  constexpr size_t kWidth = 98, kName = 14;
  std::string text;
  for (const auto& [name, value] : facts) {
    std::string label = name;
    for (const std::string& line : wrapped(value, kWidth - kName)) {
      text += fmt::format("{:<{}}{}\n", label, kName, line);
      label.clear();
    }
  }
  text += problems.empty() ? "\nNothing is wrong.\n" : "\nWhat is wrong:\n";
  for (const std::string& problem : problems) {
    std::string bullet = "- ";
    for (const std::string& line : wrapped(problem, kWidth - 2)) {
      text += bullet + line + '\n';
      bullet = "  ";
    }
  }
  return text;
}

EnvironmentReport examine_environment(const fs::path& runs) {
  return Examination(runs).examine();
}

std::string version_text() {
  return fmt::format("Kestrel {}, revision {}", KESTREL_VERSION, KESTREL_REVISION);
}

}  // namespace kestrel
