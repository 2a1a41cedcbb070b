#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include <kestrel/kernels/optimizer.h>
#include <kestrel/tensor/random.h>

#include "../support/cuda_twin.h"

namespace kestrel::test {
namespace {

/// More tensors than one launch takes, empty, small, odd, and of several chunks; some off the
/// address of a pack.
struct Tensors {
  explicit Tensors(uint64_t seed) {
    Philox random(seed, 0);
    for (int64_t i = 0; i < 300; ++i) {
      const int64_t n = i == 57 ? 40003 : i == 299 ? 0 : i % 9 == 0 ? 0 : i * 13 % 130;
      Tensor tensor = Tensor::empty({n});
      fill_normal(tensor, 0, 1, random);
      all.push_back(tensor);
    }
  }
  explicit Tensors(std::vector<Tensor> tensors) : all(std::move(tensors)) {}

  std::vector<View> views() {
    std::vector<View> result;
    for (Tensor& tensor : all) result.push_back(tensor.view());
    return result;
  }

  std::vector<Tensor> all;
};

class OptimizerCuda : public CudaTwin {
 protected:
  static Tensors upload_all(const Tensors& tensors) {
    std::vector<Tensor> result;
    for (size_t i = 0; i < tensors.all.size(); ++i) {
      result.push_back(upload(tensors.all[i], static_cast<int64_t>(i % 4 == 3)));
    }
    return Tensors(std::move(result));
  }
  /// To a few roundings: a GPU may fuse a product and a sum.
  static void expect_near(const Tensors& got, const Tensors& want) {
    for (size_t i = 0; i < want.all.size(); ++i) {
      const Tensor host = got.all[i].to(Device::cpu());
      const auto a = host.values<float>(), b = want.all[i].values<float>();
      for (size_t k = 0; k < b.size(); ++k) {
        ASSERT_NEAR(a[k], b[k], 2e-6 * (1 + std::abs(b[k]))) << "tensor " << i << " at " << k;
      }
    }
  }
};

/// Parameters, their gradients and three states, none of them negative.
struct Training {
  Training() : param(1), grad(2), states{Tensors(3), Tensors(4), Tensors(5)} {
    for (Tensors& state : states) {
      for (Tensor& tensor : state.all) {
        for (float& x : std::span(tensor.data<float>(), static_cast<size_t>(tensor.numel()))) {
          x = x * x + 0.1f;
        }
      }
    }
  }
  Training(Tensors p, Tensors g, std::array<Tensors, 3> s)
      : param(std::move(p)), grad(std::move(g)), states(std::move(s)) {}

  /// With the first `count` states, which leaves out momentum where there is one behind them.
  std::vector<ParamTensor> tensors(size_t count) {
    std::vector<ParamTensor> result;
    for (size_t i = 0; i < param.all.size(); ++i) {
      ParamTensor tensor{.param = param.all[i].view(),
                         .grad = grad.all[i].cview(),
                         .lr = 0.1 / static_cast<double>(1 + i % 3),
                         .weight_decay = 0.01 * static_cast<double>(i % 2),
                         .momentum = 0.9,
                         .step = static_cast<int64_t>(1 + i % 9),
                         .momentum_product = 0.4};
      for (size_t k = 0; k < count; ++k) tensor.states[k] = states[k].all[i].view();
      result.push_back(tensor);
    }
    return result;
  }

  Tensors param, grad;
  std::array<Tensors, 3> states;
};

TEST_F(OptimizerCuda, EveryRule) {
  const std::pair<UpdateRule, size_t> rules[] = {
      {SgdRule{}, 0},
      {SgdRule{.dampening = 0.1}, 1},
      {SgdRule{.nesterov = true, .maximize = true}, 1},
      {AdamRule{}, 2},
      {AdamRule{.amsgrad = true, .decoupled_weight_decay = false}, 3},
      {NAdamRule{}, 2},
      {RAdamRule{}, 2},
      {AdamaxRule{}, 2},
      {RMSpropRule{}, 1},
      {RMSpropRule{}, 2},
      {RMSpropRule{.centered = true}, 2},
      {RMSpropRule{.centered = true}, 3},
      {AdadeltaRule{}, 2},
      {AdagradRule{.lr_decay = 0.1}, 1},
  };
  for (const auto& [rule, states] : rules) {
    SCOPED_TRACE(::testing::Message() << "rule " << rule.index() << " with " << states);
    Training host;
    // A variance that rounding cannot make negative.
    for (Tensor& tensor : host.states[1].all) {
      for (float& x : std::span(tensor.data<float>(), static_cast<size_t>(tensor.numel())))
        x *= 0.01f;
    }
    Training device(
        upload_all(host.param), upload_all(host.grad),
        {upload_all(host.states[0]), upload_all(host.states[1]), upload_all(host.states[2])});
    for (Tensor& tensor : host.states[0].all) {
      for (float& x : std::span(tensor.data<float>(), static_cast<size_t>(tensor.numel()))) x += 1;
    }
    device.states[0] = upload_all(host.states[0]);
    cpu::optimizer_step(host.tensors(states), rule, {});
    gpu::optimizer_step(device.tensors(states), rule, {}, stream());
    expect_near(device.param, host.param);
    for (size_t k = 0; k < states; ++k) expect_near(device.states[k], host.states[k]);
  }
}

TEST_F(OptimizerCuda, Lamb) {
  for (const LambRule& rule :
       {LambRule{}, LambRule{.bias_correction = false, .trust_clip = true},
        LambRule{.grad_averaging = false, .max_grad_norm = 1e3, .always_adapt = true}}) {
    Training host;
    Training device(
        upload_all(host.param), upload_all(host.grad),
        {upload_all(host.states[0]), upload_all(host.states[1]), upload_all(host.states[2])});
    const Tensor norm = Tensor::full({}, 7, DType::Float64);
    cpu::lamb_step(host.tensors(2), rule, norm.cview(), {});
    gpu::lamb_step(device.tensors(2), rule, upload(norm).cview(), {}, stream());
    expect_near(device.param, host.param);
    for (size_t k = 0; k < 2; ++k) expect_near(device.states[k], host.states[k]);
  }
}

TEST_F(OptimizerCuda, LambDependsNeitherOnBlockNorSchedule) {
  std::optional<Tensor> first;
  for_each_setting([&] {
    Training host;
    Training device(
        upload_all(host.param), upload_all(host.grad),
        {upload_all(host.states[0]), upload_all(host.states[1]), upload_all(host.states[2])});
    auto tensors = device.tensors(2);
    const std::array few = {tensors[1], tensors[57], tensors[100]};
    gpu::lamb_step(few, LambRule{}, {}, {}, stream());
    const Tensor got = device.param.all[57].to(Device::cpu());
    if (first) expect_same_bits(got, *first);
    first = got;
  });
}

TEST_F(OptimizerCuda, ClipGradValue) {
  Tensors grads(5);
  grads.all[1].data<float>()[0] = std::numeric_limits<float>::infinity();
  Tensors got = upload_all(grads);
  cpu::clip_grad_value(grads.views(), 0.7);
  gpu::clip_grad_value(got.views(), 0.7, stream());
  expect_near(got, grads);
  EXPECT_EQ(grads.all[1].data<float>()[0], 0.7f);
}

TEST_F(OptimizerCuda, Ema) {
  const auto step = [&](Tensors& average, Tensors& value, auto f) {
    std::vector<EmaTensor> tensors;
    for (size_t i = 0; i < value.all.size(); ++i) {
      tensors.push_back({average.all[i].view(), value.all[i].cview()});
    }
    f(std::span<const EmaTensor>(tensors));
  };
  Tensors average(1), value(2);
  Tensors got = upload_all(average), got_value = upload_all(value);
  step(average, value, [&](auto all) { cpu::ema_step(all, 0.3f); });
  step(got, got_value, [&](auto all) { gpu::ema_step(all, 0.3f, stream()); });
  expect_near(got, average);
}

TEST_F(OptimizerCuda, ClipGradNorm) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const std::pair<double, double> cases[] = {{1.0, 2}, {1e6, 2},    {kInf, 2}, {1.0, 1},
                                             {1.0, 3}, {0.5, kInf}, {1.0, 0.5}};
  for (const auto& [max_norm, norm_type] : cases) {
    Tensors grads(5);
    Tensors got = upload_all(grads);
    Tensor norm = Tensor::empty({}, DType::Float64);
    Tensor got_norm = Tensor::empty({}, DType::Float64, Device::cuda(0));
    cpu::clip_grad_norm(grads.views(), max_norm, norm_type, norm.view());
    gpu::clip_grad_norm(got.views(), max_norm, norm_type, got_norm.view(), stream());
    EXPECT_NEAR(got_norm.item<double>(), norm.item<double>(), 1e-13 * norm.item<double>());
    expect_near(got, grads);
  }
}

TEST_F(OptimizerCuda, NormOfNothingAndOfWhatIsNotFinite) {
  Tensor norm = Tensor::empty({}, DType::Float64, Device::cuda(0));
  gpu::clip_grad_norm({}, 1, 2, norm.view(), stream());
  EXPECT_EQ(norm.item<double>(), 0);
  const float bad[] = {std::numeric_limits<float>::infinity(),
                       std::numeric_limits<float>::quiet_NaN()};
  for (const float value : bad) {
    Tensor grad = Tensor::from<float>({1, value, 3}, {3}), got = upload(grad);
    Tensor want = Tensor::empty({}, DType::Float64);
    const View views[] = {grad.view()}, got_views[] = {got.view()};
    for (const double norm_type : {2.0, 3.0, std::numeric_limits<double>::infinity()}) {
      cpu::clip_grad_norm(views, 1, norm_type, want.view());
      gpu::clip_grad_norm(got_views, 1, norm_type, norm.view(), stream());
      EXPECT_EQ(std::isnan(norm.item<double>()), std::isnan(want.item<double>()));
      EXPECT_FALSE(std::isfinite(norm.item<double>()));
    }
    const Tensor host = got.to(Device::cpu());
    for (size_t i = 0; i < 3; ++i) {
      const float a = host.values<float>()[i], b = grad.values<float>()[i];
      EXPECT_TRUE(a == b || (std::isnan(a) && std::isnan(b))) << a << " and " << b;
    }
  }
}

TEST_F(OptimizerCuda, DependNeitherOnBlockNorSchedule) {
  std::vector<Tensor> few;
  for (const size_t i : {size_t{1}, size_t{57}, size_t{100}}) few.push_back(Tensors(6).all[i]);
  const Tensors grads(few);
  std::optional<double> first;
  Tensors first_grads(few);
  for_each_setting([&] {
    Tensors got = upload_all(grads);
    Tensor norm = Tensor::empty({}, DType::Float64, Device::cuda(0));
    gpu::clip_grad_norm(got.views(), 1, 2, norm.view(), stream());
    if (first) {
      EXPECT_EQ(norm.item<double>(), *first);
      for (size_t i = 0; i < few.size(); ++i) expect_same_bits(got.all[i], first_grads.all[i]);
    }
    first = norm.item<double>();
    for (size_t i = 0; i < few.size(); ++i) first_grads.all[i] = got.all[i].to(Device::cpu());
  });
}

}  // namespace
}  // namespace kestrel::test
