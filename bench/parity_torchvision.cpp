// Compares Kestrel's RetinaNet-R50 with torchvision's on the same weights, images and targets, in
// full:
//
//   tests/golden/retinanet_torchvision.py --dump DIR        (Python with torchvision)
//   parity_torchvision DIR/retinanet_r50_frozen.safetensors
//
// Prints the largest relative error of each level and of the head's outputs, the errors of the
// losses, the lowest cosine between gradients, the losses of SGD steps, and the differences of
// detections. Exits with 1 where one of them is beyond what the project promises.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/detection/detectors/single_stage.h>
#include <kestrel/detection/heads/anchor_head.h>
#include <kestrel/engine/optimizers/optimizer.h>
#include <kestrel/inference/key_map.h>
#include <kestrel/kernels/layout.h>
#include <kestrel/registry/registry.h>
#include <kestrel/tensor/safetensors.h>

namespace kestrel {
namespace {

bool g_failed = false;

void report(const std::string& what, double value, double limit) {
  const bool good = value <= limit;
  g_failed |= !good;
  std::printf("%-42s %.3e  (at most %.0e)%s\n", what.c_str(), value, limit, good ? "" : "  FAILED");
}

Tensor to_nhwc(const Tensor& t) {
  Tensor result = Tensor::empty({t.size(0), t.size(2), t.size(3), t.size(1)}, t.dtype());
  cpu::nchw_to_nhwc(t.view(), result.view());
  return result;
}

/// The largest difference over the largest magnitude.
double relative_error(const Tensor& got, const Tensor& expected) {
  KESTREL_CHECK(got.numel() == expected.numel(), "[parity] ", got.shape(), " beside ",
                expected.shape());
  double difference = 0;
  double largest = 0;
  for (int64_t i = 0; i < got.numel(); ++i) {
    const double e = expected.data<float>()[i];
    difference = std::max(difference, std::abs(static_cast<double>(got.data<float>()[i]) - e));
    largest = std::max(largest, std::abs(e));
  }
  return difference / largest;
}

double cosine(const Tensor& a, const Tensor& b) {
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (int64_t i = 0; i < a.numel(); ++i) {
    const double x = a.data<float>()[i];
    const double y = b.data<float>()[i];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / std::sqrt(aa * bb);
}

Batch read_batch(const Safetensors& file) {
  Batch batch;
  batch.images = to_nhwc(file.at("images"));
  const int64_t* sizes = file.at("image_sizes").data<int64_t>();
  for (int64_t i = 0; i < batch.images.size(0); ++i) {
    ImageMeta meta;
    meta.ori_height = meta.img_height = sizes[2 * i];
    meta.ori_width = meta.img_width = sizes[2 * i + 1];
    meta.pad_height = batch.images.size(1);
    meta.pad_width = batch.images.size(2);
    batch.metas.push_back(meta);
    const std::string prefix = "targets." + std::to_string(i) + ".";
    batch.truths.push_back({file.at(prefix + "boxes").clone(), file.at(prefix + "labels").clone()});
  }
  return batch;
}

StateDict read_weights(const Safetensors& file) {
  constexpr std::string_view kPrefix = "weights.";
  StateDict weights;
  for (const auto& [name, tensor] : file.tensors) {
    if (!name.starts_with(kPrefix)) continue;
    weights.emplace_back(kestrel_name(name.substr(kPrefix.size())),
                         tensor.dims() == 4 ? to_nhwc(tensor) : tensor);
  }
  return weights;
}

/// One image's rows of all levels: (sum of H * W * A, K).
Tensor all_levels(const std::vector<Variable>& levels, int64_t images, int64_t columns) {
  std::vector<float> values;
  for (int64_t i = 0; i < images; ++i) {
    for (const Variable& level : levels) {
      const Tensor image = level.data()[i];
      const auto part = image.values<float>();
      values.insert(values.end(), part.begin(), part.end());
    }
  }
  return Tensor::from(values, {static_cast<int64_t>(values.size()) / columns, columns});
}

void check_forward(SingleStageDetector& model, const Batch& batch, const Safetensors& file) {
  const autograd::NoGrad no_grad;
  model.eval();
  const auto levels = model.extract_features(Variable(batch.images));
  for (size_t i = 0; i < levels.size(); ++i) {
    const std::string name = "p" + std::to_string(i + 3);
    report("forward, " + name, relative_error(levels[i].data(), to_nhwc(file.at(name))), 1e-4);
  }
  const AnchorHead::Outputs outputs = dynamic_cast<AnchorHead&>(model.bbox_head).forward(levels);
  const int64_t images = batch.images.size(0);
  const Tensor& logits = file.at("cls_logits");
  report("forward, cls_logits",
         relative_error(all_levels(outputs.cls_scores, images, logits.size(-1)), logits), 1e-4);
  report("forward, bbox_regression",
         relative_error(all_levels(outputs.bbox_preds, images, 4), file.at("bbox_regression")),
         1e-4);
}

void check_detections(BaseDetector& model, const Batch& batch, const Safetensors& file) {
  const auto found = model.predict(batch, false);
  double box_error = 0;
  double score_error = 0;
  for (size_t k = 0; k < found.size(); ++k) {
    const std::string prefix = "detections." + std::to_string(k) + ".";
    const Tensor& boxes = file.at(prefix + "boxes");
    const Tensor& scores = file.at(prefix + "scores");
    const Tensor& labels = file.at(prefix + "labels");
    KESTREL_CHECK(found[k].scores.numel() == scores.numel(), "[parity] ", found[k].scores.numel(),
                  " detections beside ", scores.numel());
    for (int64_t i = 0; i < scores.numel(); ++i) {
      // Scores that are almost equal may change places: the nearest object of the class counts.
      double best = 1e9;
      int64_t at = 0;
      for (int64_t j = 0; j < scores.numel(); ++j) {
        if (found[k].labels.data<int64_t>()[j] != labels.data<int64_t>()[i]) continue;
        double worst = 0;
        for (int64_t c = 0; c < 4; ++c) {
          worst =
              std::max(worst, std::abs(static_cast<double>(found[k].boxes.data<float>()[4 * j + c] -
                                                           boxes.data<float>()[4 * i + c])));
        }
        if (worst < best) {
          best = worst;
          at = j;
        }
      }
      box_error = std::max(box_error, best);
      score_error =
          std::max(score_error, std::abs(static_cast<double>(found[k].scores.data<float>()[at] -
                                                             scores.data<float>()[i])));
    }
  }
  report("detections, boxes in pixels", box_error, 1e-2);
  report("detections, scores", score_error, 1e-4);
}

void check_training(BaseDetector& model, const Batch& batch, const Safetensors& file) {
  model.train();
  const Config sgd = Config::parse(file.metadata.at("sgd"), "sgd");
  Config options = Config::map();
  options.set("type", "SGD");
  for (const Config::Entry& entry : sgd.entries()) options.set(entry.key, entry.value);
  const auto optimizer = build_optimizer(model, options);
  const Tensor& expected = file.at("sgd_losses");
  double worst_step = 0;
  for (int64_t step = 0; step < expected.size(0); ++step) {
    const Losses losses = model.losses(batch);
    const double cls = losses[0].second.data().item<double>();
    const double box = losses[1].second.data().item<double>();
    const double* wanted = expected.data<double>() + 2 * step;
    optimizer->zero_grad();
    autograd::add(losses[0].second, losses[1].second).backward();
    if (step == 0) {
      report("loss, classification, relative", std::abs(cls - wanted[0]) / wanted[0], 1e-5);
      report("loss, bbox_regression, relative", std::abs(box - wanted[1]) / wanted[1], 1e-5);
      std::map<std::string, Variable> parameters;
      for (const auto& [name, parameter] : model.named_parameters()) parameters[name] = parameter;
      double lowest = 1;
      int count = 0;
      for (const auto& [name, tensor] : file.tensors) {
        if (!name.starts_with("grads.")) continue;
        const Variable& parameter = parameters.at(kestrel_name(name.substr(6)));
        const double c = cosine(parameter.grad(), tensor.dims() == 4 ? to_nhwc(tensor) : tensor);
        lowest = std::min(lowest, c);
        ++count;
      }
      report("gradients of " + std::to_string(count) + " parameters, 1 - cosine", 1 - lowest, 1e-5);
    }
    optimizer->step();
    worst_step = std::max(worst_step, std::abs(cls + box - wanted[0] - wanted[1]));
    std::printf("step %2lld: loss %.6f, torchvision %.6f\n", static_cast<long long>(step),
                cls + box, wanted[0] + wanted[1]);
  }
  report("loss over " + std::to_string(expected.size(0)) + " SGD steps", worst_step, 1e-3);
}

}  // namespace

int compare(const std::string& path) {
  const Safetensors file = read_safetensors(path);
  const Config config = Config::load(std::string(KESTREL_SOURCE_DIR) +
                                     "/configs/retinanet/retinanet_r50_fpn_torchvision.yaml");
  auto model = build<BaseDetector>(config.at("model"));
  model->load_state_dict(read_weights(file));
  const Batch batch = read_batch(file);
  std::printf("%s, torchvision %s, torch %s\n", path.c_str(),
              file.metadata.at("torchvision").c_str(), file.metadata.at("torch").c_str());
  check_forward(dynamic_cast<SingleStageDetector&>(*model), batch, file);
  check_detections(*model, batch, file);
  check_training(*model, batch, file);
  return g_failed ? 1 : 0;
}

}  // namespace kestrel

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: parity_torchvision DUMP.safetensors\n");
    return 2;
  }
  try {
    return kestrel::compare(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "parity_torchvision: %s\n", error.what());
    return 1;
  }
}
