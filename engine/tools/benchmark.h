#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <kestrel/data/image.h>
#include <kestrel/detection/structures.h>
#include <kestrel/inference/detector.h>

namespace kestrel {

/// A layer's share of the network, over all of its calls in one pass (a head runs once per level).
struct LayerTime {
  std::string name;  ///< "backbone.layer1.0.conv1".
  int64_t calls = 0;
  double milliseconds = 0;  ///< Median over runs; without layers that it calls.
  double gflop = 0;         ///< Of convolutions and linear layers, 2 per product and sum; else 0.
};

/// Milliseconds of one part in every run, ascending.
struct Timing {
  std::vector<double> milliseconds;

  double p50() const { return percentile(50); }
  double p95() const { return percentile(95); }
  /// Nearest rank; 0 without a run.
  double percentile(double percent) const;
};

struct BenchmarkResult {
  Shape input;  ///< (N, H, W, 3), as the network is given it.
  Timing preprocess, network, postprocess, total;
  std::vector<LayerTime> layers;  ///< In the order in which they first run.
  /// Of the network's time in the runs that measure layers, what no layer accounts for: pooling,
  /// upsampling, sums.
  double rest_milliseconds = 0;
  double detections = 0;  ///< Per image.
  int threads = 0;        ///< Of the CPU.

  double gflop() const;              ///< Of all layers, for the whole batch.
  double images_per_second() const;  ///< By the median of the total.
};

struct BenchmarkOptions {
  int64_t batch = 1;
  int64_t runs = 20;
  int64_t warmup = 3;
  /// Of the model.
  Device device = Device::cpu();
  bool bfloat16 = false;
};

/// Runs a model on copies of one image: first as detect() does, part by part, then with every layer
/// timed. `pipeline` is what data.test.pipeline of a config says.
BenchmarkResult benchmark_detector(Detector& detector, const Config& pipeline, const Image& image,
                                   const BenchmarkOptions& options);

/// data.test.pipeline with its img_scale so that the shorter side becomes `size` and the longer at
/// most 5/3 of it.
Config with_image_size(const Config& pipeline, int64_t size);

/// A table of all layers, and one of the parts.
std::string benchmark_table(const BenchmarkResult& result);
/// The same as a JSON object.
std::string benchmark_json(const BenchmarkResult& result);

}  // namespace kestrel
