#include <kestrel/kernels/elementwise.h>

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include <kestrel/tensor/tensor.h>

namespace kestrel {
namespace {

std::vector<float> sigmoids_of(const std::vector<float>& x) {
  Tensor values = Tensor::empty({std::ssize(x)});
  std::copy(x.begin(), x.end(), values.data<float>());
  cpu::sigmoid_forward(values.view(), values.view());
  return {values.data<float>(), values.data<float>() + x.size()};
}

TEST(Sigmoid, IsWithinTwoUnitsOfTheDoubleAtAnyCount) {
  for (const size_t count : {1, 15, 16, 17, 1023, 1024, 1025, 40001}) {
    std::vector<float> x(count);
    for (size_t i = 0; i < count; ++i) x[i] = (static_cast<float>(i * 7919 % 40009) - 20000) / 250;
    const std::vector<float> got = sigmoids_of(x);
    for (size_t i = 0; i < count; ++i) {
      const double want = 1 / (1 + std::exp(-double{x[i]}));
      ASSERT_NEAR(got[i], want, 2.4e-7 * want) << x[i] << " of " << count;
    }
  }
}

TEST(Sigmoid, OfExtremes) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> got = sigmoids_of({inf, -inf, 1e30f, -1e30f, 0.f, -0.f, NAN});
  EXPECT_EQ(std::vector<float>(got.begin(), got.end() - 1),
            (std::vector<float>{1, 0, 1, 0, 0.5f, 0.5f}));
  EXPECT_TRUE(std::isnan(got.back()));
}

}  // namespace
}  // namespace kestrel
