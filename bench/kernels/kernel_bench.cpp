// Times the operators' kernels on the shapes of real models.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <hwy/targets.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <kestrel/kernels/device.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/parallel.h>

#include "job.h"
#include "peak.h"

namespace kestrel::bench {
namespace {

struct Options {
  std::string cases = KESTREL_SOURCE_DIR "/bench/kernels/kernel_cases.txt";
  std::vector<std::string> lines;
  std::string filter;
  std::string device = "cpu";
  std::string vectors = "best";
  std::string json;
  int threads = num_threads();
  double seconds = 0.5;
  double peak_scale = 1;
  bool serve = false;
  bool once = false;
};

Device device_of(const Options& options) {
  if (options.device == "cpu") return Device::cpu();
  if (Device::cuda_count() == 0) fail<UsageError>("[kernel_bench] there is no CUDA device");
  return Device::cuda(0);
}

/// Lines of the file, or of --case, that hold the filter; "#" begins a comment.
std::vector<std::string> lines_of(const Options& options) {
  std::vector<std::string> lines = options.lines;
  if (lines.empty()) {
    std::ifstream file(options.cases);
    if (!file) fail<UsageError>("[kernel_bench] cannot read ", options.cases);
    for (std::string line; std::getline(file, line);) {
      if (!line.empty() && line[0] != '#') lines.push_back(line);
    }
  }
  std::erase_if(lines, [&](const std::string& line) {
    return line.find(options.filter) == std::string::npos;
  });
  return lines;
}

void finish(Device device) {
  if (device.is_cuda()) gpu::synchronize(gpu::current_stream(device.index()));
}

double seconds_of(const Job& job, Device device, int times) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < times; ++i) job.run();
  finish(device);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  return elapsed.count() / times;
}

/// The median over samples that take `budget` seconds together; a sample is of 10 ms or more.
double median_seconds(const Job& job, Device device, double budget) {
  const double once =
      std::max(1e-7, std::min(seconds_of(job, device, 1), seconds_of(job, device, 1)));
  const int times = std::max(1, static_cast<int>(0.01 / once));
  const int samples = std::clamp(static_cast<int>(budget / (once * times)), 3, 100);
  std::vector<double> all;
  for (int i = 0; i < samples; ++i) all.push_back(seconds_of(job, device, times));
  std::nth_element(all.begin(), all.begin() + samples / 2, all.end());
  return all[static_cast<size_t>(samples / 2)];
}

/// How near the device's limit it comes: of arithmetic or of memory, whichever binds.
double share_of(const Job& job, const Spec& spec, double seconds, const Peak& peak) {
  const bool tensor = spec.dtype == DType::BFloat16 && peak.tensor_flops;
  const double flops = tensor ? *peak.tensor_flops : peak.flops;
  return std::max(job.flops / flops, job.bytes / peak.bytes) / seconds;
}

void report(const Options& options) {
  const Device device = device_of(options);
  const Peak peak = measure_peak(device, options.peak_scale);
  std::printf("%s, %d threads: %.1f GFLOP/s float32", options.device.c_str(), options.threads,
              peak.flops * 1e-9);
  if (peak.tensor_flops) std::printf(", %.1f bfloat16 on tensor cores", *peak.tensor_flops * 1e-9);
  std::printf(", %.1f GB/s measured\n", peak.bytes * 1e-9);
  nlohmann::json record = {{"device", options.device},
                           {"threads", options.threads},
                           {"peak_gflops", peak.flops * 1e-9},
                           {"peak_gbytes", peak.bytes * 1e-9},
                           {"cases", nlohmann::json::array()}};
  if (device.is_cuda()) record["name"] = gpu::device_name(device.index());
  if (peak.tensor_flops) record["peak_tensor_gflops"] = *peak.tensor_flops * 1e-9;
  std::printf("%10s %9s %8s %6s  %s\n", "ms", "GFLOP/s", "GB/s", "peak", "case");
  for (const std::string& line : lines_of(options)) {
    const Spec spec = parse_spec(line);
    const Job job = operators().at(spec.op)(spec, device);
    const double seconds = median_seconds(job, device, options.seconds);
    const double share = share_of(job, spec, seconds, peak);
    std::printf("%10.3f %9.1f %8.1f %5.0f%%  %s\n", seconds * 1e3, job.flops / seconds * 1e-9,
                job.bytes / seconds * 1e-9, share * 100, line.c_str());
    std::fflush(stdout);
    record["cases"].push_back({{"case", line},
                               {"ms", seconds * 1e3},
                               {"gflops", job.flops / seconds * 1e-9},
                               {"gbytes", job.bytes / seconds * 1e-9},
                               {"share_of_peak", share}});
  }
  if (options.json.empty()) return;
  std::ofstream file(options.json);
  file << record.dump(1) << "\n";
  if (!file) fail<UsageError>("[kernel_bench] cannot write ", options.json);
}

/// Answers each line, a case, with the milliseconds of one run; the operands of the last case stay.
/// Answers "peak" with the GFLOP/s that the CPU reaches at this moment.
void serve(const Options& options) {
  const Device device = device_of(options);
  std::string last;
  Job job;
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "peak") {
      std::cout << cpu_flops(0.02) * 1e-9 << std::endl;
      continue;
    }
    if (line != last) {
      job = {};
      const Spec spec = parse_spec(line);
      job = operators().at(spec.op)(spec, device);
      job.run();
      finish(device);
      last = line;
    }
    std::cout << seconds_of(job, device, 1) * 1e3 << std::endl;
  }
}

/// Runs each case once, for a profiler.
void run_once(const Options& options) {
  const Device device = device_of(options);
  for (const std::string& line : lines_of(options)) {
    const Spec spec = parse_spec(line);
    operators().at(spec.op)(spec, device).run();
    finish(device);
  }
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app("Times kernels on the shapes of real models, against the device's measured limits",
               "kernel_bench");
  app.add_option("--cases", options.cases, "File of cases")->capture_default_str();
  app.add_option("--case", options.lines, "A case, such as \"relu n=1 h=8 w=8 c=64\"; repeatable");
  app.add_option("--filter", options.filter, "Only cases with this text");
  app.add_option("--device", options.device, "cpu or cuda")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  app.add_option("--threads", options.threads, "Threads of the CPU")->capture_default_str();
  app.add_option("--vectors", options.vectors, "Of the CPU: best or avx2, also where it has better")
      ->check(CLI::IsMember({"best", "avx2"}))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "Time per case")->capture_default_str();
  app.add_option("--peak-scale", options.peak_scale, "Length of the measurement of the limits");
  app.add_option("--json", options.json, "Also write this file");
  app.add_flag("--serve", options.serve, "Answer cases on stdin: for compare_kernels.py");
  app.add_flag("--once", options.once, "Run each case once and time nothing: for a profiler");
  CLI11_PARSE(app, argc, argv);
  set_num_threads(options.threads);
  if (options.vectors == "avx2") hwy::DisableTargets(HWY_AVX3 | HWY_AVX3_DL);
  try {
    if (options.serve) {
      serve(options);
    } else if (options.once) {
      run_once(options);
    } else {
      report(options);
    }
    return 0;
  } catch (const UsageError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}

}  // namespace
}  // namespace kestrel::bench

int main(int argc, char** argv) {
  return kestrel::bench::run(argc, argv);
}
