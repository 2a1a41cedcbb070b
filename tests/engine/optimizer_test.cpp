#include <kestrel/engine/optimizers/adam.h>
#include <kestrel/engine/optimizers/optimizer.h>
#include <kestrel/engine/optimizers/sgd.h>

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <kestrel/engine/optimizers/grad_clip.h>
#include <kestrel/kernels/parallel.h>
#include <kestrel/tensor/random.h>

namespace kestrel {
namespace {

struct Params : Module {
  Params() {
    add_parameter("p0", Tensor::full({3, 5}, 0.5));
    add_parameter("p1", Tensor::full({7}, -2));
  }
};

TEST(Optimizer, AdamWDecaysByDefaultAsPyTorchs) {
  EXPECT_EQ(AdamWOptions().weight_decay, 0.01);
  EXPECT_EQ(AdamOptions().weight_decay, 0);
}

TEST(Optimizer, RefusesStateThatDoesNotFit) {
  Params model;
  const auto sgd = build_optimizer(model, Config::parse("{type: SGD, lr: 1, momentum: 0.9}"));
  EXPECT_THROW(sgd->load_state_dict({{"momentum.p9", Tensor::zeros({3, 5})}}), ModelFileError);
  EXPECT_THROW(sgd->load_state_dict({{"momentum.p0", Tensor::zeros({5, 3})}}), ModelFileError);
  EXPECT_THROW(sgd->load_state_dict({{"exp_avg.p0", Tensor::zeros({3, 5})}}), ModelFileError);
}

TEST(Optimizer, LeavesParametersWithoutGradientAlone) {
  Params model;
  const auto sgd = build_optimizer(model, Config::parse("{type: SGD, lr: 1, weight_decay: 1}"));
  const float before = model.parameters()[0].data().values<float>()[0];
  sgd->step();
  EXPECT_EQ(model.parameters()[0].data().values<float>()[0], before);
  EXPECT_EQ(sgd->clip_grad_norm(1).item<double>(), 0);
}

TEST(Optimizer, NamesWhatIsWrongInItsConfig) {
  Params model;
  EXPECT_THROW(build_optimizer(model, Config::parse("{type: SGDD}")), UsageError);
  EXPECT_THROW(build_optimizer(model, Config::parse("{type: SGD, momentun: 0.9}")), UsageError);
  EXPECT_THROW(build_optimizer(model, Config::parse("{type: SGD, nesterov: true}")), UsageError);
  for (const char* config :
       {"{type: SGD, paramwise_cfg: {bias: 1}}", "{type: SGD, lr: -1}",
        "{type: SGD, nesterov: true, momentum: 0.9, dampening: 0.1}", "{type: SGD, momentum: -1}",
        "{type: Adam, betas: [1, 0.9]}", "{type: Adam, betas: [0.9, -0.1]}",
        "{type: NAdam, momentum_decay: -1}", "{type: RAdam, eps: -1}",
        "{type: Adamax, betas: [0.9]}", "{type: RMSprop, alpha: -1}", "{type: Adadelta, rho: 1.5}",
        "{type: Adagrad, lr_decay: -1}", "{type: LAMB, max_grad_norm: 0}",
        "{type: SGD, weight_decay: -0.1}"}) {
    EXPECT_THROW(build_optimizer(model, Config::parse(config)), UsageError) << config;
  }
}

TEST(Optimizer, MomentumThatComesLaterBegins) {
  Params model;
  const auto sgd = build_optimizer(model, Config::parse("{type: SGD, lr: 0.1}"));
  const auto step = [&] {
    for (Variable& p : model.parameters()) p.grad() = Tensor::full(p.shape(), 1);
    sgd->step();
    return model.parameters()[1].data().values<float>()[0];
  };
  EXPECT_FLOAT_EQ(step(), -2.1f);
  EXPECT_TRUE(sgd->has_momentum());
  sgd->groups()[0].momentum = 0.5;
  EXPECT_FLOAT_EQ(step(), -2.2f);
  EXPECT_FLOAT_EQ(step(), -2.35f);
  sgd->groups()[0].momentum = 0;
  EXPECT_FLOAT_EQ(step(), -2.45f);
  EXPECT_FALSE(build_optimizer(model, Config::parse("{type: Adagrad}"))->has_momentum());
}

TEST(GradClip, NamesWhatIsWrong) {
  for (const char* config : {"{norm_type: 0}", "{norm_type: -1}", "{norm_type: two}"}) {
    EXPECT_THROW(read_options<GradClipOptions>(Config::parse(config)), UsageError) << config;
  }
  EXPECT_THROW(check_grad_clip({.max_norm = 0}), UsageError);
  EXPECT_THROW(check_grad_clip({.clip_value = -1}), UsageError);
  const auto infinity = read_options<GradClipOptions>(Config::parse("{norm_type: inf}"));
  EXPECT_EQ(infinity.norm_type.value, std::numeric_limits<double>::infinity());
}

// Large enough for several chunks; odd, so that the last one is short.
struct Large : Module {
  Large() : weight(add_parameter("weight", Tensor::empty({3, 33333}))) {
    float* p = weight.data().data<float>();
    for (int64_t i = 0; i < weight.numel(); ++i) p[i] = std::sin(0.37f * static_cast<float>(i));
    weight.grad() = weight.data().clone();
  }
  Variable& weight;
};

TEST(Optimizer, ResultsDoNotDependOnThreads) {
  const auto run_with = [](int threads) {
    const int before = num_threads();
    set_num_threads(threads);
    Large model;
    const auto adam = build_optimizer(model, Config::parse("{type: AdamW, lr: 0.1}"));
    const double norm = adam->clip_grad_norm(1.0).item<double>();
    adam->step();
    set_num_threads(before);
    const auto values = model.weight.data().values<float>();
    return std::pair{norm, std::vector<float>(values.begin(), values.end())};
  };
  const auto one = run_with(1);
  EXPECT_EQ(run_with(2), one);
  EXPECT_EQ(run_with(5), one);
}

TEST(Optimizer, NormIsThatOfAllGradientsAndInfinityOnlyMeasures) {
  Large model;
  double sum = 0;
  for (const float x : model.weight.grad().values<float>()) sum += static_cast<double>(x) * x;
  const auto sgd = build_optimizer(model, Config::parse("{type: SGD}"));
  // Summed in another order: double's rounding over 1e5 terms.
  EXPECT_NEAR(sgd->clip_grad_norm(std::numeric_limits<double>::infinity()).item<double>(),
              std::sqrt(sum), 1e-9);
  EXPECT_NEAR(sgd->clip_grad_norm(10).item<double>(), std::sqrt(sum), 1e-9);
  EXPECT_NEAR(sgd->clip_grad_norm(10).item<double>(), 10, 1e-5);
  EXPECT_THROW(build_optimizer(model, Config::parse("{type: SGD, lr: [1]}")), UsageError);
}

}  // namespace
}  // namespace kestrel
