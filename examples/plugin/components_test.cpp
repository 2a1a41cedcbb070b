// components_test PLUGIN: loads it, and looks at what it registers.
#include <cmath>
#include <cstdio>
#include <exception>

#include <kestrel/detection/backbones/backbone.h>
#include <kestrel/detection/losses/loss.h>
#include <kestrel/registry/plugin.h>
#include <kestrel/registry/registry.h>

namespace {

bool check(bool holds, const char* what) {
  if (!holds) std::fprintf(stderr, "components_test: wrong: %s\n", what);
  return holds;
}

kestrel::Tensor tensor(const kestrel::Shape& shape, float first, float step) {
  kestrel::Tensor result = kestrel::Tensor::empty(shape, kestrel::DType::Float32);
  float* values = result.data<float>();
  for (int64_t i = 0; i < result.numel(); ++i) values[i] = first + static_cast<float>(i) * step;
  return result;
}

bool loss_is_right() {
  const auto loss = kestrel::build<kestrel::RegressionLoss>(
      kestrel::Config::parse("{type: SquaredLoss, loss_weight: 2}"));
  kestrel::Variable pred(tensor({2, 4}, 1, 1), true);  // 1 ... 8
  const kestrel::Variable result =
      loss->forward(pred, tensor({2, 4}, 0, 0), tensor({2}, 1, -1), {});
  result.backward();
  // Only the first row counts: 2 * (1 + 4 + 9 + 16) / 8; its gradient is 2 * 2 * x / 8.
  const auto grad = pred.grad().values<float>();
  return check(std::abs(result.data().item<float>() - 7.5F) < 1e-6F, "the loss") &
         check(std::abs(grad[2] - 1.5F) < 1e-6F && grad[4] == 0.0F, "its gradient");
}

bool backbone_is_right() {
  const auto backbone = kestrel::build<kestrel::Backbone>(
      kestrel::Config::parse("{type: PlainNet, base_channels: 4, num_stages: 3}"));
  const auto levels = backbone->forward(kestrel::Variable(tensor({1, 32, 64, 3}, 0, 0.001F)));
  return check(levels.size() == 3, "the number of levels") &&
         check(levels[0].shape() == kestrel::Shape({1, 16, 32, 4}), "the first level") &
             check(levels[2].shape() == kestrel::Shape({1, 4, 8, 16}), "the last level");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    kestrel::load_plugin(argv[1]);
    return loss_is_right() & backbone_is_right() ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "components_test: %s\n", error.what());
    return 1;
  }
}
