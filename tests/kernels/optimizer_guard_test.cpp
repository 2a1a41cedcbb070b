#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include <kestrel/kernels/optimizer.h>
#include <kestrel/tensor/tensor.h>

#include "../support/on_device.h"

namespace kestrel::test {
namespace {

class OptimizerGuard : public OnDevice {
 protected:
  /// A parameter of 1000 times 2 with gradients of 1 after a step that is guarded by `number`.
  static std::vector<float> after_step(bool adam, std::optional<double> number) {
    Tensor param = Tensor::full({1000}, 2, DType::Float32, device());
    const Tensor grad = Tensor::full({1000}, 1, DType::Float32, device());
    Tensor first = Tensor::zeros({1000}, DType::Float32, device());
    Tensor second = Tensor::zeros({1000}, DType::Float32, device());
    const Tensor guard = number ? Tensor::full({}, *number, DType::Float64, device()) : Tensor();
    if (adam) {
      const AdamTensor tensor{.param = param.view(),
                              .grad = grad.view(),
                              .exp_avg = first.view(),
                              .exp_avg_sq = second.view(),
                              .lr = 0.5f};
      run(device(), cpu::adam_step, gpu::adam_step, std::span<const AdamTensor>(&tensor, 1),
          AdamParams{}, guard.view());
    } else {
      const SgdTensor tensor{
          .param = param.view(), .grad = grad.view(), .momentum = first.view(), .lr = 0.5f};
      run(device(), cpu::sgd_step, gpu::sgd_step, std::span<const SgdTensor>(&tensor, 1),
          SgdParams{.momentum = 0.9f}, guard.view());
    }
    std::vector<float> result;
    for (const Tensor& tensor : {param, first, second}) {
      const Tensor host = tensor.to(Device::cpu());
      result.insert(result.end(), host.values<float>().begin(), host.values<float>().end());
    }
    return result;
  }
};

TEST_P(OptimizerGuard, ANumberThatIsNotFiniteLeavesEverythingAsItWas) {
  std::vector<float> before(3000, 0.0f);
  std::fill_n(before.begin(), 1000, 2.0f);
  for (const bool adam : {false, true}) {
    SCOPED_TRACE(adam);
    for (const double number :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
          -std::numeric_limits<double>::infinity()}) {
      EXPECT_EQ(after_step(adam, number), before) << number;
    }
    const std::vector<float> free = after_step(adam, std::nullopt);
    EXPECT_NE(free, before);
    EXPECT_EQ(after_step(adam, 1e300), free);
    EXPECT_EQ(after_step(adam, -3), free);
  }
}

KESTREL_ON_DEVICES(OptimizerGuard);

}  // namespace
}  // namespace kestrel::test
