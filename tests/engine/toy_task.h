#pragma once

#include <vector>

#include <kestrel/engine/runner.h>
#include <kestrel/layers/module.h>

namespace kestrel {

/// y = w . x with w (3), and the mean of (y - target)^2 over a batch as its loss.
struct ToyModel : Module {
  ToyModel() : weight(add_parameter("weight", Tensor::from({0.5f, -0.25f, 1.0f}, {3}))) {}
  Variable& weight;

  /// The loss of samples [begin, end) of a fixed series.
  Variable loss(int64_t begin, int64_t end) {
    const float* w = weight.data().data<float>();
    std::vector<float> slope(3, 0.0f);
    double sum = 0;
    for (int64_t n = begin; n < end; ++n) {
      const float x[3] = {1.0f, static_cast<float>(n % 5) - 2, static_cast<float>(n % 3)};
      const float error = w[0] * x[0] + w[1] * x[1] + w[2] * x[2] - static_cast<float>(n % 7);
      sum += error * error;
      for (size_t k = 0; k < 3; ++k) slope[k] += 2 * error * x[k];
    }
    const auto count = static_cast<float>(end - begin);
    for (float& s : slope) s /= count;
    return autograd::record(
        "toy_loss", {weight}, Tensor::full({}, sum / static_cast<double>(count)),
        [slope](std::span<Tensor> grad, const autograd::NeedsGrad&) -> std::vector<Tensor> {
          std::vector<float> scaled = slope;
          for (float& s : scaled) s *= grad[0].item<float>();
          return {Tensor::from(scaled, {3})};
        });
  }
};

struct ToyTask : TrainTask {
  ToyTask(ToyModel& m, int64_t batches, int64_t batch_size)
      : model(m), length(batches), size(batch_size) {}
  int64_t epoch_length() const override { return length; }
  void begin_epoch(int64_t epoch, int64_t first) override { next = epoch * 11 + first * size; }
  void load_batch() override {
    begin = next;
    next += size;
  }
  StepResult forward() override {
    const Variable loss = model.loss(begin, begin + size);
    return {.loss = loss, .losses = {{"loss_toy", loss}}, .num_samples = size};
  }

  ToyModel& model;
  int64_t length, size;
  int64_t begin = 0, next = 0;
};

}  // namespace kestrel
