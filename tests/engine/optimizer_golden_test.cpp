#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include <kestrel/engine/hooks/optimizer_hook.h>

#include "../support/on_device.h"
#include "golden_params.h"

namespace kestrel::test {
namespace {

using nlohmann::json;

constexpr size_t kFirst[] = {0, 6, 11, 12};  // of each parameter

/// The largest difference of a parameter, relative to the largest of its values.
double difference(const std::vector<double>& got, const json& want) {
  double worst = 0;
  for (size_t p = 0; p < 3; ++p) {
    const auto values = want[p].get<std::vector<double>>();
    double largest = 0, apart = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      largest = std::max(largest, std::abs(values[i]));
      const double own = std::abs(got[kFirst[p] + i] - values[i]);
      apart = std::isfinite(own) ? std::max(apart, own) : INFINITY;
    }
    worst = std::max(worst, apart / largest);
  }
  return worst;
}

/// Takes 200 steps and returns the largest difference at those that the golden file shows.
double follow(const json& shown, GoldenParams& model, Optimizer& optimizer,
              const std::function<void(int64_t)>& before_step = {}) {
  const auto steps = golden_optimizers()["steps"].get<std::vector<int64_t>>();
  double worst = 0;
  size_t next = 0;
  for (int64_t step = 0; step < GoldenNumbers::kSteps; ++step) {
    model.set_grads(step);
    if (before_step) before_step(step);
    optimizer.step();
    if (step + 1 == steps[next]) worst = std::max(worst, difference(model.values(), shown[next++]));
  }
  return worst;
}

class GoldenOptimizer : public OnDevice {};

TEST_P(GoldenOptimizer, FollowsPyTorchInFloat32) {
  for (const json& test : golden_optimizers()["optimizers"]) {
    GoldenParams model(DType::Float32, device());
    const auto optimizer = build_optimizer(model, Config::parse(test["config"].dump()));
    // Both round every step to float32, here and there in another order.
    const double worst = follow(test["float32"], model, *optimizer);
    EXPECT_LE(worst, 1e-6) << test["config"];
  }
}
KESTREL_ON_DEVICES(GoldenOptimizer);

TEST(OptimizerInDouble, FollowsPyTorch) {
  for (const json& test : golden_optimizers()["optimizers"]) {
    GoldenParams model(DType::Float64);
    const auto optimizer = build_optimizer(model, Config::parse(test["config"].dump()));
    EXPECT_LE(follow(test["float64"], model, *optimizer), 1e-12) << test["config"];
  }
}

TEST(OptimizerInDouble, FollowsPyTorchBehindAClip) {
  const auto steps = golden_optimizers()["steps"].get<std::vector<int64_t>>();
  for (const json& test : golden_optimizers()["clips"]) {
    GoldenParams model(DType::Float64);
    const auto sgd = build_optimizer(model, Config::parse("{type: SGD, lr: 0.05}"));
    const auto options = read_options<GradClipOptions>(Config::parse(test["config"].dump()));
    size_t next = 0;
    const double worst = follow(test["float64"], model, *sgd, [&](int64_t step) {
      const Tensor norm = clip(*sgd, options);
      if (step + 1 != steps[next]) return;
      if (test.contains("norms")) {
        const double want = test["norms"][next].get<double>();
        EXPECT_NEAR(norm.item<double>(), want, 1e-12 * want) << test["config"];
      }
      ++next;
    });
    EXPECT_LE(worst, 1e-12) << test["config"];
  }
}

TEST(OptimizerState, ContinuesBitForBit) {
  for (const json& test : golden_optimizers()["optimizers"]) {
    const Config config = Config::parse(test["config"].dump());
    GoldenParams whole, first, second;
    const auto a = build_optimizer(whole, config);
    const auto b = build_optimizer(first, config);
    const auto c = build_optimizer(second, config);
    for (int64_t step = 0; step < 12; ++step) {
      whole.set_grads(step);
      a->step();
      if (step == 5) {  // the second parameter has had fewer steps than the others
        second.load_state_dict(first.state_dict());
        c->load_state_dict(b->state_dict());
      }
      GoldenParams& half = step < 5 ? first : second;
      half.set_grads(step);
      (step < 5 ? b : c)->step();
    }
    EXPECT_EQ(whole.values(), second.values()) << test["config"];
    EXPECT_NE(whole.values(), first.values()) << test["config"];
  }
}

}  // namespace
}  // namespace kestrel::test
