#include <kestrel/inference/detector.h>

#include <chrono>
#include <utility>

#include <kestrel/data/transforms/collate.h>
#include <kestrel/data/transforms/pipeline.h>
#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/inference/weights.h>
#include <kestrel/layers/load_weights.h>
#include <kestrel/registry/registry.h>
#include <kestrel/tensor/allocator.h>
#include <kestrel/tensor/mapped_file.h>

namespace kestrel {

struct Detector::State {
  std::unique_ptr<BaseDetector> model;
  Config config;
  std::vector<std::string> classes;
  Pipeline pipeline;
  LoadOptions options;
  bool has_packed_weights = false;  ///< After the first image.
};

Detector::Detector(std::unique_ptr<BaseDetector> model, const Config& config,
                   std::vector<std::string> classes, const LoadOptions& options)
    : state_(std::make_unique<State>()) {
  state_->pipeline = Pipeline(config.at("data").at("test").at("pipeline"));
  state_->model = std::move(model);
  state_->config = config;
  state_->classes = std::move(classes);
  state_->options = options;
  state_->model->to(options.device);
  state_->model->eval();
}

Detector::~Detector() = default;
Detector::Detector(Detector&&) noexcept = default;
Detector& Detector::operator=(Detector&&) noexcept = default;

Detector Detector::load(const std::filesystem::path& weights, const LoadOptions& options) {
  ModelFile file = read_model_file(weights);
  if (file.config.is_null()) {
    fail<ModelFileError>("[detector] ", weights.string(),
                         " has weights but does not say of which model; `kestrel convert` with "
                         "--config writes a file that does");
  }
  try {
    auto model = build<BaseDetector>(file.config.at("model"));
    load_weights(*model, file.weights, {.share = true});
    release_cached_memory();  // of the parameters before
    return {std::move(model), file.config, std::move(file.classes), options};
  } catch (const UsageError& error) {
    fail<ModelFileError>("[detector] ", weights.string(),
                         ": the model it describes cannot be built: ", error.what());
  } catch (const ModelFileError& error) {
    fail<ModelFileError>("[detector] ", weights.string(), ": ", error.what());
  }
}

Detector Detector::load(const std::filesystem::path& weights, Device device) {
  return load(weights, LoadOptions{.device = device});
}

std::vector<Object> Detector::detect(const Image& image, const DetectOptions& options,
                                     DetectTimes* times) {
  KESTREL_CHECK(!image.empty(), "[detector] the image is empty");
  const auto start = std::chrono::steady_clock::now();
  Sample sample(image);
  Philox random(0);
  state_->pipeline.apply(sample, random);
  Batch batch = collate(std::span(&sample, 1));
  batch.images = batch.images.to(state_->options.device);
  const std::chrono::duration<double, std::milli> preprocess =
      std::chrono::steady_clock::now() - start;

  PredictTimes predict_times;
  const autograd::Autocast autocast(state_->options.bfloat16);
  const Detections found = state_->model->predict(batch, true, &predict_times)[0];
  if (!std::exchange(state_->has_packed_weights, true)) {
    for (const auto& [name, tensor] : state_->model->state_dict()) {
      if (!tensor.device().is_cuda()) forget_mapped_pages(tensor.raw(), tensor.bytes());
    }
  }
  if (times) *times = {preprocess.count(), predict_times.inference, predict_times.postprocess};

  std::vector<Object> objects;
  const float* boxes = found.boxes.data<float>();
  const float* scores = found.scores.data<float>();
  const int64_t* labels = found.labels.data<int64_t>();
  for (int64_t i = 0; i < found.scores.numel() && scores[i] >= options.score_threshold; ++i) {
    const float* b = boxes + 4 * i;
    const auto label = static_cast<size_t>(labels[i]);
    objects.push_back({.box = {b[0], b[1], b[2], b[3]},
                       .score = scores[i],
                       .class_id = labels[i],
                       .label = label < state_->classes.size() ? state_->classes[label]
                                                               : std::to_string(labels[i])});
  }
  return objects;
}

const std::vector<std::string>& Detector::classes() const {
  return state_->classes;
}
const Config& Detector::config() const {
  return state_->config;
}
BaseDetector& Detector::model() {
  return *state_->model;
}

}  // namespace kestrel
