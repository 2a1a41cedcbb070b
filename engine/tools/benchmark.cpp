#include <kestrel/engine/tools/benchmark.h>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include <kestrel/data/transforms/collate.h>
#include <kestrel/data/transforms/pipeline.h>
#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/kernels/device.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/parallel.h>
#include <kestrel/layers/conv2d.h>
#include <kestrel/layers/forward_observer.h>

namespace kestrel {
namespace {

using Clock = std::chrono::steady_clock;

/// The time once everything that is queued on a device is done.
Clock::time_point time_on(Device device) {
  if (device.is_cuda()) gpu::synchronize(gpu::current_stream(device.index()));
  return Clock::now();
}

double milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

/// 2 per product and sum of a layer with a weight of two or four dimensions; 0 for others.
double flop_of(const Module& layer, const Variable& input, const Variable& output) {
  for (const auto& [name, parameter] : layer.named_parameters()) {
    const Tensor& weight = parameter.data();
    if (name != "weight" || (weight.dims() != 2 && weight.dims() != 4)) continue;
    // Every value of the input of a transposed convolution, of the output of others, meets one
    // slice of the weight.
    const bool transposed = dynamic_cast<const ConvTranspose2d*>(&layer) != nullptr;
    const int64_t values = transposed ? input.numel() : output.numel();
    const int64_t slice = weight.numel() / std::max<int64_t>(1, weight.size(0));
    return 2.0 * static_cast<double>(values) * static_cast<double>(slice);
  }
  return 0;
}

/// Sums up the time of every layer; a layer that runs within another is taken off that one's time.
class LayerStopwatch final : public ForwardObserver {
 public:
  struct Sum {
    int64_t calls = 0;
    double milliseconds = 0;
    double flop = 0;
  };

  explicit LayerStopwatch(Device device) : device_(device), previous_(set_forward_observer(this)) {}
  ~LayerStopwatch() override { set_forward_observer(previous_); }
  LayerStopwatch(const LayerStopwatch&) = delete;
  LayerStopwatch& operator=(const LayerStopwatch&) = delete;

  void before(const Module&) override { running_.push_back({time_on(device_), 0}); }

  void after(const Module& layer, const Variable& input, const Variable& output) override {
    const double elapsed = milliseconds(time_on(device_) - running_.back().start);
    const double within = running_.back().within;
    running_.pop_back();
    if (!running_.empty()) running_.back().within += elapsed;
    const auto [entry, is_new] = sums_.try_emplace(&layer);
    if (is_new) order_.push_back(&layer);
    ++entry->second.calls;
    entry->second.milliseconds += elapsed - within;
    entry->second.flop += flop_of(layer, input, output);
  }

  const std::vector<const Module*>& order() const { return order_; }
  const Sum& sum(const Module* layer) const { return sums_.at(layer); }

 private:
  struct Running {
    Clock::time_point start;
    double within;  // of layers that this one called
  };

  Device device_;
  ForwardObserver* previous_;
  std::vector<Running> running_;
  std::unordered_map<const Module*, Sum> sums_;
  std::vector<const Module*> order_;
};

Batch make_batch(const Pipeline& pipeline, const Image& image, const BenchmarkOptions& options) {
  std::vector<Sample> samples;
  for (int64_t i = 0; i < options.batch; ++i) {
    Sample sample(image);
    Philox random(0);
    pipeline.apply(sample, random);
    samples.push_back(std::move(sample));
  }
  Batch batch = collate(samples);
  batch.images = batch.images.to(options.device);
  return batch;
}

void time_parts(BaseDetector& model, const Pipeline& pipeline, const Image& image,
                const BenchmarkOptions& options, BenchmarkResult& result) {
  for (int64_t run = -options.warmup; run < options.runs; ++run) {
    const auto start = Clock::now();
    const Batch batch = make_batch(pipeline, image, options);
    const auto prepared = time_on(options.device);
    PredictTimes times;
    const std::vector<Detections> found = model.predict(batch, true, &times);
    const auto end = time_on(options.device);
    result.input = batch.images.shape();
    if (run < 0) continue;
    result.preprocess.milliseconds.push_back(milliseconds(prepared - start));
    result.network.milliseconds.push_back(times.inference);
    result.postprocess.milliseconds.push_back(times.postprocess);
    result.total.milliseconds.push_back(milliseconds(end - start));
    int64_t count = 0;
    for (const Detections& detections : found) count += detections.scores.numel();
    result.detections = static_cast<double>(count) / static_cast<double>(found.size());
  }
  for (Timing* timing : {&result.preprocess, &result.network, &result.postprocess, &result.total}) {
    std::ranges::sort(timing->milliseconds);
  }
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return Timing{std::move(values)}.p50();
}

void time_layers(BaseDetector& model, const Pipeline& pipeline, const Image& image,
                 const BenchmarkOptions& options, BenchmarkResult& result) {
  std::map<const Module*, std::string> names;
  for (const auto& [name, module] : model.named_modules()) names[module] = name;
  const Batch batch = make_batch(pipeline, image, options);
  std::map<const Module*, std::vector<double>> times;
  std::vector<double> rest;
  for (int64_t run = 0; run < options.runs; ++run) {
    const LayerStopwatch stopwatch(options.device);
    PredictTimes parts;
    model.predict(batch, true, &parts);
    double layers = 0;
    for (const Module* layer : stopwatch.order()) {
      times[layer].push_back(stopwatch.sum(layer).milliseconds);
      layers += stopwatch.sum(layer).milliseconds;
    }
    rest.push_back(parts.inference - layers);
    if (run + 1 < options.runs) continue;
    for (const Module* layer : stopwatch.order()) {
      const LayerStopwatch::Sum& sum = stopwatch.sum(layer);
      result.layers.push_back({.name = names[layer],
                               .calls = sum.calls,
                               .milliseconds = median(times[layer]),
                               .gflop = sum.flop * 1e-9});
    }
  }
  result.rest_milliseconds = std::max(0.0, median(std::move(rest)));
}

}  // namespace

double Timing::percentile(double percent) const {
  if (milliseconds.empty()) return 0;
  const auto rank =
      static_cast<size_t>(std::ceil(percent / 100 * static_cast<double>(milliseconds.size())));
  return milliseconds[std::clamp<size_t>(rank, 1, milliseconds.size()) - 1];
}

double BenchmarkResult::gflop() const {
  double sum = 0;
  for (const LayerTime& layer : layers) sum += layer.gflop;
  return sum;
}

double BenchmarkResult::images_per_second() const {
  const double time = total.p50();
  return time > 0 ? 1000 * static_cast<double>(input[0]) / time : 0;
}

BenchmarkResult benchmark_detector(Detector& detector, const Config& pipeline, const Image& image,
                                   const BenchmarkOptions& options) {
  KESTREL_CHECK(options.batch >= 1 && options.runs >= 1, "[benchmark] batch and runs must be at ",
                "least 1, got ", options.batch, " and ", options.runs);
  const autograd::Autocast autocast(options.bfloat16);
  const Pipeline transforms(pipeline);
  BenchmarkResult result;
  result.threads = num_threads();
  time_parts(detector.model(), transforms, image, options, result);
  time_layers(detector.model(), transforms, image, options, result);
  return result;
}

Config with_image_size(const Config& pipeline, int64_t size) {
  Config changed = Config::list();
  for (Config transform : pipeline.items()) {
    if (transform.contains("img_scale")) {
      Config scale = Config::list();
      scale.push_back(size * 5 / 3);
      scale.push_back(size);
      transform.set("img_scale", scale);
    }
    changed.push_back(std::move(transform));
  }
  return changed;
}

std::string benchmark_table(const BenchmarkResult& result) {
  double layers = result.rest_milliseconds;
  size_t width = 12;
  for (const LayerTime& layer : result.layers) {
    layers += layer.milliseconds;
    width = std::max(width, layer.name.size());
  }
  const auto row = [&](const std::string& name, int64_t calls, double time, double gflop) {
    std::string text = fmt::format("{:<{}} {:>5} {:>9.2f} {:>6.1f} %", name, width,
                                   calls > 0 ? std::to_string(calls) : "", time,
                                   layers > 0 ? 100 * time / layers : 0);
    if (gflop > 0) text += fmt::format(" {:>9.3f} {:>8.1f}", gflop, gflop / time * 1e3);
    return text + '\n';
  };
  std::string text = fmt::format("{:<{}} {:>5} {:>9} {:>8} {:>9} {:>8}\n", "layer", width, "calls",
                                 "ms", "share", "GFLOP", "GFLOP/s");
  for (const LayerTime& layer : result.layers) {
    text += row(layer.name, layer.calls, layer.milliseconds, layer.gflop);
  }
  text += row("(the rest)", 0, result.rest_milliseconds, 0);
  text += row("network", 0, layers, result.gflop());
  text += fmt::format("\n{:<16} {:>9} {:>9}\n", "milliseconds", "p50", "p95");
  const auto part = [&](const char* name, const Timing& timing) {
    text += fmt::format("{:<16} {:>9.2f} {:>9.2f}\n", name, timing.p50(), timing.p95());
  };
  part("pre-processing", result.preprocess);
  part("network", result.network);
  part("post-processing", result.postprocess);
  part("together", result.total);
  return text + fmt::format("\n{:.2f} images/s; {:.1f} detections per image\n",
                            result.images_per_second(), result.detections);
}

std::string benchmark_json(const BenchmarkResult& result) {
  nlohmann::ordered_json json;
  json["input"] = std::vector<int64_t>(result.input.begin(), result.input.end());
  json["threads"] = result.threads;
  json["images_per_second"] = result.images_per_second();
  json["detections_per_image"] = result.detections;
  const auto part = [&](const char* name, const Timing& timing) {
    json["milliseconds"][name] = {{"p50", timing.p50()}, {"p95", timing.p95()}};
  };
  part("preprocess", result.preprocess);
  part("network", result.network);
  part("postprocess", result.postprocess);
  part("total", result.total);
  json["gflop"] = result.gflop();
  json["layers"] = nlohmann::ordered_json::array();
  for (const LayerTime& layer : result.layers) {
    json["layers"].push_back({{"name", layer.name},
                              {"calls", layer.calls},
                              {"milliseconds", layer.milliseconds},
                              {"gflop", layer.gflop}});
  }
  json["rest_milliseconds"] = result.rest_milliseconds;
  return json.dump(2) + '\n';
}

}  // namespace kestrel
