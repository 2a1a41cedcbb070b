#include "answers.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/tensor/random.h>

namespace kestrel::parity {
namespace {

/// (n, 5): boxes and scores, as a dump has them.
Tensor with_scores(const Detections& found) {
  const int64_t n = found.scores.numel();
  Tensor rows = Tensor::empty({n, 5});
  for (int64_t i = 0; i < n; ++i) {
    std::copy_n(found.boxes.data<float>() + 4 * i, 4, rows.data<float>() + 5 * i);
    rows.data<float>()[5 * i + 4] = found.scores.data<float>()[i];
  }
  return rows;
}

}  // namespace

bool is_loss(const std::string& name) {
  return name.find("loss") != std::string::npos;
}

Answers ask(BaseDetector& model, const Batch& batch) {
  Answers answers;
  model.eval();
  {
    const autograd::NoGrad no_grad;
    answers.stages = model.stages(batch);
  }
  for (StageOutput& stage : answers.stages) {
    for (Variable& level : stage.levels) level = Variable(level.data().to(Device::cpu()));
  }
  answers.found = model.predict(batch, true);
  model.train();
  Variable total;
  for (const auto& [name, value] : model.losses(batch)) {
    if (is_loss(name)) total = total ? autograd::add(total, value) : value;
    answers.losses[name] = value.data().to(Device::cpu()).item<double>();
  }
  KESTREL_CHECK(total, "[parity] the model has no losses");
  answers.total = total.data().to(Device::cpu()).item<double>();
  total.backward();
  for (auto& [name, parameter] : model.named_parameters()) {
    if (parameter.grad().defined()) {
      answers.gradients[name] = parameter.grad().to(Device::cpu()).clone();
    }
  }
  model.zero_grad();
  return answers;
}

Batch nudge(const Batch& batch, uint64_t seed) {
  Batch nudged = batch;
  Tensor images = batch.images.to(Device::cpu()).clone();
  Philox random(seed);
  float* pixels = images.data<float>();
  for (int64_t i = 0; i < images.numel(); ++i) {
    pixels[i] *= random.uniform() < 0.5 ? 1 + 0x1p-23F : 1 - 0x1p-23F;
  }
  nudged.images = images.to(batch.images.device());
  return nudged;
}

double relative(double got, double expected) {
  const double error = std::abs(got - expected) / std::max(std::abs(expected), 1e-8);
  return std::isfinite(error) ? error : std::numeric_limits<double>::infinity();
}

Errors difference(const Answers& got, const Answers& expected, const DetectionLimits& limits) {
  Errors errors;
  for (size_t i = 0; i < expected.stages.size(); ++i) {
    for (size_t l = 0; l < expected.stages[i].levels.size(); ++l) {
      errors.forward = std::max(
          errors.forward,
          relative_error(got.stages[i].levels[l].data(), expected.stages[i].levels[l].data()));
    }
  }
  for (const auto& [name, value] : expected.losses) {
    errors.losses = std::max(errors.losses, relative(got.losses.at(name), value));
  }
  for (const auto& [name, gradient] : expected.gradients) {
    const Alignment aligned = align(got.gradients.at(name), gradient);
    errors.gradients = std::max(errors.gradients, 1 - aligned.cosine);
    errors.lengths = std::max(errors.lengths, aligned.length);
  }
  for (size_t i = 0; i < expected.found.size(); ++i) {
    const DetectionErrors of_image = compare_detections(
        got.found[i], with_scores(expected.found[i]), expected.found[i].labels, limits);
    errors.boxes = std::max(errors.boxes, of_image.box);
    errors.scores = std::max(errors.scores, of_image.score);
  }
  return errors;
}

}  // namespace kestrel::parity
