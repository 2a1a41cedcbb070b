// Peak resident memory of one inference: RetinaNet-R50 in float32 on a picture of 800 x 1344, from
// a weights file that the program writes first. With --check it exits 1 above --limit MiB.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>

#include <CLI/CLI.hpp>

#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/inference/detector.h>
#include <kestrel/inference/weights.h>
#include <kestrel/registry/registry.h>
#include <kestrel/tensor/allocator.h>
#include <kestrel/tensor/random.h>

namespace kestrel::bench {
namespace {

namespace fs = std::filesystem;

double mebibytes(size_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

/// A line of /proc/self/status, such as VmHWM, in MiB.
double status(const std::string& key) {
  std::ifstream in("/proc/self/status");
  std::string name, rest;
  for (double kilobytes = 0; in >> name;) {
    if (name == key + ":" && in >> kilobytes) return kilobytes / 1024;
    std::getline(in, rest);
  }
  return 0;
}

void report(const char* when) {
  const MemoryStats tensors = host_memory_stats();
  std::printf(
      "%-14s %7.0f MiB, at most %7.0f; tensors %6.0f, at most %6.0f, kept for later %6.0f\n", when,
      status("VmRSS"), status("VmHWM"), mebibytes(tensors.used), mebibytes(tensors.peak),
      mebibytes(tensors.cached));
}

void write_model(const fs::path& config_file, const fs::path& file) {
  const Config config = Config::load(config_file);
  const auto model = build<BaseDetector>(config.at("model"));
  Philox random(1);
  model->init_weights(random);
  write_model_file(file, {.weights = model->state_dict(), .config = config, .classes = {}});
}

double infer(const fs::path& file, int height, int width, int runs) {
  report("started");
  Detector detector = Detector::load(file, Device::cpu());
  report("loaded");
  Image image(height, width);
  for (int run = 0; run < runs; ++run) {
    detector.detect(image);
    report(run == 0 ? "first image" : "image");
  }
  return status("VmHWM");
}

int run(int argc, char** argv) {
  fs::path config =
      fs::path(KESTREL_SOURCE_DIR) / "configs/retinanet/retinanet_r50_fpn_1x_coco.yaml";
  fs::path file;
  int height = 800, width = 1344, runs = 3;
  double limit = 600;
  bool check = false;
  CLI::App app("Peak resident memory of an inference", "inference_memory");
  app.add_option("--config", config, "Of the model")->capture_default_str();
  app.add_option("--weights", file, "A file with its config, instead of one that is written here");
  app.add_option("--height", height)->capture_default_str();
  app.add_option("--width", width)->capture_default_str();
  app.add_option("--runs", runs, "Images, one after the other")->capture_default_str();
  app.add_option("--limit", limit, "MiB that --check allows")->capture_default_str();
  app.add_flag("--check", check, "Exit with 1 above the limit");
  CLI11_PARSE(app, argc, argv);
  try {
    const fs::path written =
        fs::temp_directory_path() / ("kestrel_inference_memory_" + std::to_string(getpid()));
    if (file.empty()) {
      // In a process of its own, whose memory does not count.
      const pid_t child = fork();
      if (child == 0) {
        write_model(config, written);
        _exit(0);
      }
      int result = 0;
      waitpid(child, &result, 0);
      if (result != 0) throw std::runtime_error("the weights could not be written");
    }
    const double peak = infer(file.empty() ? written : file, height, width, runs);
    fs::remove(written);
    return check && peak > limit ? 1 : 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}

}  // namespace
}  // namespace kestrel::bench

int main(int argc, char** argv) {
  return kestrel::bench::run(argc, argv);
}
