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
  enum class Which { Sgd, Adam, Lamb };

  /// A parameter of 1000 times 2 with gradients of 1 after a step that is guarded by `number`.
  static std::vector<float> after_step(Which which, std::optional<double> number) {
    Tensor param = Tensor::full({1000}, 2, DType::Float32, device());
    const Tensor grad = Tensor::full({1000}, 1, DType::Float32, device());
    Tensor first = Tensor::zeros({1000}, DType::Float32, device());
    Tensor second = Tensor::zeros({1000}, DType::Float32, device());
    const Tensor guard = number ? Tensor::full({}, *number, DType::Float64, device()) : Tensor();
    const ParamTensor tensor{.param = param.view(),
                             .grad = grad.view(),
                             .states = {first.view(), second.view()},
                             .lr = 0.5,
                             .momentum = 0.9};
    const std::span<const ParamTensor> all(&tensor, 1);
    if (which == Which::Lamb) {
      run(device(), cpu::lamb_step, gpu::lamb_step, all, LambRule{}, ConstView{}, guard.view());
    } else {
      const UpdateRule rule = which == Which::Adam ? UpdateRule(AdamRule{}) : UpdateRule(SgdRule{});
      run(device(), cpu::optimizer_step, gpu::optimizer_step, all, rule, guard.view());
    }
    std::vector<float> result;
    for (const Tensor& values : {param, first, second}) {
      const Tensor host = values.to(Device::cpu());
      result.insert(result.end(), host.values<float>().begin(), host.values<float>().end());
    }
    return result;
  }
};

TEST_P(OptimizerGuard, ANumberThatIsNotFiniteLeavesEverythingAsItWas) {
  std::vector<float> before(3000, 0.0f);
  std::fill_n(before.begin(), 1000, 2.0f);
  for (const Which which : {Which::Sgd, Which::Adam, Which::Lamb}) {
    SCOPED_TRACE(static_cast<int>(which));
    for (const double number :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
          -std::numeric_limits<double>::infinity()}) {
      EXPECT_EQ(after_step(which, number), before) << number;
    }
    const std::vector<float> free = after_step(which, std::nullopt);
    EXPECT_NE(free, before);
    EXPECT_EQ(after_step(which, 1e300), free);
    EXPECT_EQ(after_step(which, -3), free);
  }
}

KESTREL_ON_DEVICES(OptimizerGuard);

}  // namespace
}  // namespace kestrel::test
