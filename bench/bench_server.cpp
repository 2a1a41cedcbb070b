// Kestrel's side of bench/compare_torch.py, which documents the protocol: one command a line on
// stdin, one answer a line on stdout.

#include <sys/resource.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/detection/detectors/base_detector.h>
#include <kestrel/engine/optimizers/sgd.h>
#include <kestrel/inference/weights.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/layout.h>
#include <kestrel/kernels/nms.h>
#include <kestrel/kernels/parallel.h>
#include <kestrel/registry/registry.h>
#include <kestrel/tensor/safetensors.h>

namespace kestrel {
namespace {

constexpr const char* kModelConfig = "configs/retinanet/retinanet_r50_fpn_torchvision.yaml";

struct Answer {
  double milliseconds = 0;
  double value = 0;  ///< Detections, loss or kept boxes: that all sides did the same work.
};

class Stopwatch {
 public:
  double milliseconds() const {
    const auto elapsed = std::chrono::steady_clock::now() - start_;
    return std::chrono::duration<double, std::milli>(elapsed).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

class Server {
 public:
  std::string setup(const std::filesystem::path& directory, int threads) {
    set_num_threads(threads);
    directory_ = directory;
    inputs_ = read_safetensors(directory / "inputs.safetensors");
    return "Kestrel, " + std::to_string(threads) + " threads";
  }

  Answer infer(bool bfloat16, int64_t height, int64_t width) {
    BaseDetector& model = detector(false);
    const Batch batch = make_batch(1, height, width);
    const Stopwatch watch;
    const autograd::NoGrad no_grad;
    const autograd::Autocast autocast(bfloat16);
    const auto detections = model.predict(batch, false);
    return {watch.milliseconds(), static_cast<double>(detections.at(0).scores.numel())};
  }

  Answer train(bool bfloat16, int64_t count, int64_t height, int64_t width) {
    BaseDetector& model = detector(true);
    const Batch batch = make_batch(count, height, width);
    const Stopwatch watch;
    double total = 0;
    {
      const autograd::Autocast autocast(bfloat16);
      Variable sum;
      for (const auto& [name, loss] : model.losses(batch)) {
        sum = sum ? autograd::add(sum, loss) : loss;
      }
      total = sum.data().item<float>();
      sum.backward();
    }
    optimizer_->step();
    optimizer_->zero_grad();
    return {watch.milliseconds(), total};
  }

  Answer suppress(int64_t count) {
    const Tensor boxes = inputs_.at("boxes").slice(0, count);
    const Tensor scores = inputs_.at("scores").slice(0, count);
    Tensor kept = Tensor::empty({count}, DType::Int64);
    const Stopwatch watch;
    const int64_t number =
        cpu::nms(boxes.view(), scores.view(), {}, {.iou_threshold = 0.5}, kept.view());
    return {watch.milliseconds(), static_cast<double>(number)};
  }

 private:
  BaseDetector& detector(bool training) {
    if (!model_) {
      const Config config = Config::load(std::filesystem::path(KESTREL_SOURCE_DIR) / kModelConfig);
      model_ = build<BaseDetector>(config.at("model"));
      model_->load_state_dict(read_model_file(directory_ / "model.safetensors").weights);
      if (training) {
        optimizer_ =
            std::make_unique<SGD>(SGDOptions{.lr = 1e-4, .momentum = 0.9, .weight_decay = 1e-4},
                                  make_param_groups(*model_));
      }
    }
    model_->train(training);
    return *model_;
  }

  /// `count` images of the file, with their eight objects each.
  Batch make_batch(int64_t count, int64_t height, int64_t width) const {
    const std::string suffix =
        std::to_string(count) + "_" + std::to_string(height) + "_" + std::to_string(width);
    const Tensor& images = inputs_.at("images_" + suffix);
    Batch batch;
    batch.images = Tensor::empty({count, height, width, 3});
    cpu::nchw_to_nhwc(images.view(), batch.images.view());
    for (int64_t i = 0; i < count; ++i) {
      ImageMeta meta;
      meta.ori_height = meta.img_height = meta.pad_height = height;
      meta.ori_width = meta.img_width = meta.pad_width = width;
      batch.metas.push_back(meta);
      batch.truths.push_back(
          {inputs_.at("gt_boxes_" + suffix)[i], inputs_.at("gt_labels_" + suffix)[i]});
    }
    return batch;
  }

  std::filesystem::path directory_;
  Safetensors inputs_;
  std::unique_ptr<BaseDetector> model_;
  std::unique_ptr<Optimizer> optimizer_;
};

double peak_rss_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

bool parse_bfloat16(const std::string& dtype) {
  KESTREL_CHECK(dtype == "fp32" || dtype == "bf16", "[bench] dtype '", dtype,
                "' is neither fp32 nor bf16");
  return dtype == "bf16";
}

std::string answer_line(Server& server, const std::string& line) {
  std::istringstream words(line);
  std::string command, text;
  words >> command;
  std::ostringstream out;
  if (command == "setup") {
    int threads = 1;
    words >> text >> threads;
    out << "ok " << server.setup(text, threads);
    return out.str();
  }
  if (command == "rss") {
    out << "mib " << peak_rss_mib();
    return out.str();
  }
  Answer answer;
  int64_t count = 1, height = 0, width = 0;
  if (command == "infer" && words >> text >> height >> width) {
    answer = server.infer(parse_bfloat16(text), height, width);
  } else if (command == "train" && words >> text >> count >> height >> width) {
    answer = server.train(parse_bfloat16(text), count, height, width);
  } else if (command == "nms" && words >> count) {
    answer = server.suppress(count);
  } else {
    fail<UsageError>("[bench] cannot read '", line, "'");
  }
  out.precision(9);
  out << "ms " << answer.milliseconds << ' ' << answer.value;
  return out.str();
}

int serve() {
  Server server;
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    try {
      std::cout << answer_line(server, line) << std::endl;
    } catch (const std::exception& error) {
      std::cout << "error " << error.what() << std::endl;
    }
  }
  return 0;
}

}  // namespace
}  // namespace kestrel

int main() {
  return kestrel::serve();
}
