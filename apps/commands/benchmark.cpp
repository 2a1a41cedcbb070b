#include "benchmark.h"

#include <cstdio>
#include <memory>
#include <string>

#include <kestrel/data/datasets/shapes.h>
#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/engine/tools/benchmark.h>
#include <kestrel/inference/detector.h>

#include "../plugins.h"
#include "../program.h"
#include "../run_options.h"

namespace kestrel::apps {
namespace {

struct BenchmarkCommand {
  std::string weights;
  std::string image;
  std::string device = "cpu";
  int64_t image_size = 0;
  int64_t batch = 1;
  int64_t runs = 20;
  int64_t threads = 0;
  bool amp = false;
  bool json = false;
};

void run_benchmark(const BenchmarkCommand& o) {
  use_threads(o.threads);
  const Device device = parse_device(o.device);
  Detector detector = Detector::load(o.weights, {.device = device, .bfloat16 = o.amp});
  Config pipeline = detector.config().at("data").at("test").at("pipeline");
  if (o.image_size > 0) pipeline = with_image_size(pipeline, o.image_size);
  const Image image = o.image.empty() ? ShapesDataset({.num_images = 1, .image_size = 640}).load(0)
                                      : read_image(o.image);
  const BenchmarkResult result =
      benchmark_detector(detector, pipeline, image,
                         {.batch = o.batch, .runs = o.runs, .device = device, .bfloat16 = o.amp});
  if (o.json) {
    std::fputs(benchmark_json(result).c_str(), stdout);
    return;
  }
  std::printf("%s, %.2f M parameters, %s\n",
              detector.config().at("model").at("type").as_string().c_str(),
              static_cast<double>(detector.model().parameter_count()) * 1e-6, o.weights.c_str());
  std::printf("input %lld x %lld x %lld, %s, on %s with %d threads; %lld runs\n\n",
              static_cast<long long>(result.input[0]), static_cast<long long>(result.input[1]),
              static_cast<long long>(result.input[2]), o.amp ? "bfloat16" : "float32",
              o.device.c_str(), result.threads, static_cast<long long>(o.runs));
  std::fputs(benchmark_table(result).c_str(), stdout);
}

}  // namespace

void add_benchmark(CLI::App& app) {
  auto o = std::make_shared<BenchmarkCommand>();
  CLI::App* command = app.add_subcommand(
      "benchmark", "where a model's time goes: per layer, before, in and after the network");
  command->add_option("--weights", o->weights, "a file that Kestrel wrote")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option("--image", o->image, "the picture to run on [a generated one of 640 pixels]")
      ->check(CLI::ExistingFile);
  command
      ->add_option("--image-size", o->image_size,
                   "shorter side of the network's input in pixels [as the model was tested]")
      ->check(CLI::Range(32, 8192));
  command->add_option("--batch", o->batch, "images at once")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--runs", o->runs, "runs that are timed, after three that are not")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--device", o->device, "cpu, cuda or cuda:N")->capture_default_str();
  command->add_option("--threads", o->threads, "CPU threads; 0: all cores")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("--amp", o->amp, "compute in bfloat16");
  command->add_flag("--json", o->json, "print a JSON object instead of tables");
  add_plugin_option(*command);
  command->callback([o] { run_benchmark(*o); });
}

}  // namespace kestrel::apps
