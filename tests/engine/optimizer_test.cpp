#include <kestrel/engine/optimizers/adam.h>
#include <kestrel/engine/optimizers/optimizer.h>
#include <kestrel/engine/optimizers/sgd.h>

#include <cmath>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <kestrel/kernels/parallel.h>
#include <kestrel/layers/norm.h>
#include <kestrel/tensor/random.h>

namespace kestrel {
namespace {

using nlohmann::json;

const json& golden() {
  static const json file =
      json::parse(std::ifstream(std::string(KESTREL_TEST_DIR) + "/golden/data/optimizers.json"));
  return file;
}

std::vector<int64_t> sizes_of(size_t i) {
  return golden()["shapes"][i].get<std::vector<int64_t>>();
}

// The golden file's three parameters.
struct Params : Module {
  Params() {
    for (size_t i = 0; i < 3; ++i) {
      const auto values = golden()["initial"][i].get<std::vector<float>>();
      add_parameter(std::string("p").append(std::to_string(i)),
                    Tensor::from(values, Shape(sizes_of(i))));
    }
  }
  void set_grads(const json& grads) {
    size_t i = 0;
    for (Variable& p : parameters()) {
      p.grad() = Tensor::from(grads[i++].get<std::vector<float>>(), p.shape());
    }
  }
};

// Steps and compares; PyTorch's float32 arithmetic differs in the order of a few operations, each
// good for half a unit in the last place of values around 1.
void compare(const std::string& name, const Config& config, double max_norm = 0) {
  Params model;
  const auto optimizer = build_optimizer(model, config);
  const json& expected = golden()["optimizers"][name];
  for (size_t step = 0; step < golden()["grads"].size(); ++step) {
    model.set_grads(golden()["grads"][step]);
    if (max_norm > 0) {
      EXPECT_NEAR(optimizer->clip_grad_norm(max_norm).item<double>(),
                  expected["norms"][step].get<double>(), 1e-5);
    }
    optimizer->step();
    size_t i = 0;
    for (const Variable& p : model.parameters()) {
      const auto want = expected["params"][step][i++].get<std::vector<double>>();
      for (size_t k = 0; k < want.size(); ++k) {
        ASSERT_NEAR(p.data().values<float>()[k], want[k], 2e-6) << name << " step " << step;
      }
    }
  }
}

TEST(Optimizer, FollowsPyTorch) {
  compare("SGD", Config::parse("{type: SGD, lr: 0.05}"));
  compare("SGD_momentum",
          Config::parse("{type: SGD, lr: 0.02, momentum: 0.9, weight_decay: 0.01}"));
  compare(
      "SGD_nesterov",
      Config::parse("{type: SGD, lr: 0.02, momentum: 0.9, weight_decay: 0.01, nesterov: true}"));
  compare("SGD_clip", Config::parse("{type: SGD, lr: 0.05, momentum: 0.9}"), 2.5);
  compare("Adam", Config::parse("{type: Adam, lr: 0.01, weight_decay: 0.1}"));
  compare(
      "AdamW",
      Config::parse("{type: AdamW, lr: 0.01, betas: [0.8, 0.95], eps: 1e-6, weight_decay: 0.1}"));
}

TEST(Optimizer, AdamWDecaysByDefaultAsPyTorchs) {
  EXPECT_EQ(AdamWOptions().weight_decay, 0.01);
  EXPECT_EQ(AdamOptions().weight_decay, 0);
}

TEST(Optimizer, StateContinuesWhereItStopped) {
  for (const char* text : {"{type: SGD, lr: 0.02, momentum: 0.9}", "{type: AdamW, lr: 0.01}"}) {
    const Config config = Config::parse(text);
    Params whole, first, second;
    const auto a = build_optimizer(whole, config);
    const auto b = build_optimizer(first, config);
    const auto c = build_optimizer(second, config);
    for (size_t step = 0; step < 6; ++step) {
      whole.set_grads(golden()["grads"][step]);
      a->step();
      if (step == 3) {
        second.load_state_dict(first.state_dict());
        c->load_state_dict(b->state_dict());
      }
      Params& half = step < 3 ? first : second;
      half.set_grads(golden()["grads"][step]);
      (step < 3 ? b : c)->step();
    }
    const auto want = whole.parameters(), got = second.parameters();
    for (size_t i = 0; i < want.size(); ++i) {
      const auto x = want[i].data().values<float>(), y = got[i].data().values<float>();
      EXPECT_TRUE(std::equal(x.begin(), x.end(), y.begin())) << text;
    }
  }
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
  EXPECT_THROW(build_optimizer(model, Config::parse("{type: SGD, paramwise_cfg: {bias: 1}}")),
               UsageError);
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

// conv.weight, conv.bias, dw.weight, bn.weight, bn.bias
struct Net : Module {
  struct Conv : Module {
    explicit Conv(int64_t in) {
      add_parameter("weight", Tensor::zeros({4, 3, 3, in}));
      add_parameter("bias", Tensor::zeros({4}));
    }
  };
  struct AnyNorm : Norm {
    AnyNorm() {
      add_parameter("weight", Tensor::zeros({4}));
      add_parameter("bias", Tensor::zeros({4}));
    }
    Variable forward(const Variable& x, bool, const Variable&) override { return x; }
  };
  Net() {
    add<Conv>("conv", 2);
    add<Conv>("dw", 1);
    add<AnyNorm>("bn");
  }
};

// lr and weight decay of each parameter, as factors of base values 1.
std::map<std::string, std::pair<double, double>> factors(const std::string& paramwise) {
  Net model;
  std::map<std::string, std::pair<double, double>> result;
  const auto optimizer = build_optimizer(
      model,
      Config::parse("{type: SGD, lr: 1, weight_decay: 1, paramwise_cfg: " + paramwise + "}"));
  for (const ParamGroup& group : optimizer->groups()) {
    for (const auto& [name, param] : group.params) result[name] = {group.lr, group.weight_decay};
  }
  return result;
}

TEST(ParamGroups, OneGroupWithoutRules) {
  Net model;
  const auto groups = make_param_groups(model);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].params.size(), model.parameters().size());
}

TEST(ParamGroups, FollowMMDetectionsRules) {
  using Factors = std::pair<double, double>;
  const auto bias = factors("{bias_lr_mult: 2, bias_decay_mult: 0}");
  EXPECT_EQ(bias.at("conv.bias"), Factors(2, 0));
  EXPECT_EQ(bias.at("conv.weight"), Factors(1, 1));
  EXPECT_EQ(bias.at("bn.bias"), Factors(1, 1));  // Bias rules skip norms.

  // A decay rule of a norm goes before that of a depthwise convolution, which goes before bias.
  const auto all = factors("{norm_decay_mult: 0.5, dwconv_decay_mult: 0.25, bias_decay_mult: 0}");
  EXPECT_EQ(all.at("bn.weight"), Factors(1, 0.5));
  EXPECT_EQ(all.at("bn.bias"), Factors(1, 0.5));
  EXPECT_EQ(all.at("dw.weight"), Factors(1, 0.25));
  EXPECT_EQ(all.at("dw.bias"), Factors(1, 0.25));
  EXPECT_EQ(all.at("conv.bias"), Factors(1, 0));

  const auto custom =
      factors("{bias_lr_mult: 2, custom_keys: {conv: {lr_mult: 0.1}, conv.b: {decay_mult: 0}}}");
  EXPECT_EQ(custom.at("conv.weight"), Factors(0.1, 1));
  EXPECT_EQ(custom.at("conv.bias"), Factors(1, 0));  // The longest key; bias_lr_mult is suspended.
  EXPECT_EQ(custom.at("dw.bias"), Factors(2, 1));
}

}  // namespace
}  // namespace kestrel
