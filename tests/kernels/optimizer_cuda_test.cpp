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

TEST_F(OptimizerCuda, Sgd) {
  for (const SgdParams& params : {SgdParams{}, SgdParams{0.9f, false}, SgdParams{0.9f, true}}) {
    const auto step = [&](Tensors& param, Tensors& grad, Tensors& momentum, auto f) {
      std::vector<SgdTensor> tensors;
      for (size_t i = 0; i < param.all.size(); ++i) {
        tensors.push_back({param.all[i].view(), grad.all[i].cview(),
                           params.momentum == 0 ? View() : momentum.all[i].view(),
                           0.1f / static_cast<float>(1 + i % 3),
                           0.01f * static_cast<float>(i % 2)});
      }
      f(std::span<const SgdTensor>(tensors));
    };
    Tensors param(1), grad(2), momentum(3);
    Tensors got = upload_all(param), got_grad = upload_all(grad),
            got_momentum = upload_all(momentum);
    step(param, grad, momentum, [&](auto all) { cpu::sgd_step(all, params, {}); });
    step(got, got_grad, got_momentum, [&](auto all) { gpu::sgd_step(all, params, {}, stream()); });
    expect_near(got, param);
    expect_near(got_momentum, momentum);
  }
}

TEST_F(OptimizerCuda, Adam) {
  for (const bool decoupled : {false, true}) {
    const AdamParams params{.decoupled_weight_decay = decoupled, .step = 3};
    const auto step = [&](Tensors& param, Tensors& grad, Tensors& avg, Tensors& square, auto f) {
      std::vector<AdamTensor> tensors;
      for (size_t i = 0; i < param.all.size(); ++i) {
        tensors.push_back({param.all[i].view(), grad.all[i].cview(), avg.all[i].view(),
                           square.all[i].view(), 0.1f / static_cast<float>(1 + i % 3),
                           0.01f * static_cast<float>(i % 2)});
      }
      f(std::span<const AdamTensor>(tensors));
    };
    Tensors param(1), grad(2), avg(3), square(4);
    for (Tensor& tensor : square.all) {
      for (float& x : std::span(tensor.data<float>(), static_cast<size_t>(tensor.numel()))) {
        x = x * x + 0.1f;
      }
    }
    Tensors got = upload_all(param), got_grad = upload_all(grad), got_avg = upload_all(avg),
            got_square = upload_all(square);
    step(param, grad, avg, square, [&](auto all) { cpu::adam_step(all, params, {}); });
    step(got, got_grad, got_avg, got_square,
         [&](auto all) { gpu::adam_step(all, params, {}, stream()); });
    expect_near(got, param);
    expect_near(got_avg, avg);
    expect_near(got_square, square);
  }
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
  for (const double max_norm : {1.0, 1e6, kInf}) {
    Tensors grads(5);
    Tensors got = upload_all(grads);
    Tensor norm = Tensor::empty({}, DType::Float64);
    Tensor got_norm = Tensor::empty({}, DType::Float64, Device::cuda(0));
    cpu::clip_grad_norm(grads.views(), max_norm, norm.view());
    gpu::clip_grad_norm(got.views(), max_norm, got_norm.view(), stream());
    EXPECT_NEAR(got_norm.item<double>(), norm.item<double>(), 1e-11);
    expect_near(got, grads);
  }
}

TEST_F(OptimizerCuda, NormOfNothingAndOfWhatIsNotFinite) {
  Tensor norm = Tensor::empty({}, DType::Float64, Device::cuda(0));
  gpu::clip_grad_norm({}, 1, norm.view(), stream());
  EXPECT_EQ(norm.item<double>(), 0);
  const float bad[] = {std::numeric_limits<float>::infinity(),
                       std::numeric_limits<float>::quiet_NaN()};
  for (const float value : bad) {
    Tensor grad = Tensor::from<float>({1, value, 3}, {3}), got = upload(grad);
    Tensor want = Tensor::empty({}, DType::Float64);
    const View views[] = {grad.view()}, got_views[] = {got.view()};
    cpu::clip_grad_norm(views, 1, want.view());
    gpu::clip_grad_norm(got_views, 1, norm.view(), stream());
    EXPECT_EQ(std::isnan(norm.item<double>()), std::isnan(want.item<double>()));
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
    gpu::clip_grad_norm(got.views(), 1, norm.view(), stream());
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
