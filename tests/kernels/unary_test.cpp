#include <kestrel/kernels/unary.h>

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include <kestrel/tensor/tensor.h>

namespace kestrel {
namespace {

std::vector<float> values_of(UnaryOp op, const std::vector<float>& x) {
  Tensor values = Tensor::empty({std::ssize(x)});
  std::copy(x.begin(), x.end(), values.data<float>());
  cpu::unary_forward(values.view(), values.view(), {op, 0.5, 1});
  return {values.data<float>(), values.data<float>() + x.size()};
}

TEST(Sigmoid, IsWithinTwoUnitsOfTheDoubleAtAnyCount) {
  for (const size_t count : {1, 15, 16, 17, 1023, 1024, 1025, 40001}) {
    std::vector<float> x(count);
    for (size_t i = 0; i < count; ++i) x[i] = (static_cast<float>(i * 7919 % 40009) - 20000) / 250;
    const std::vector<float> got = values_of(UnaryOp::Sigmoid, x);
    for (size_t i = 0; i < count; ++i) {
      const double want = 1 / (1 + std::exp(-double{x[i]}));
      ASSERT_NEAR(got[i], want, 2.4e-7 * want) << x[i] << " of " << count;
    }
  }
}

TEST(Sigmoid, OfExtremes) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> got =
      values_of(UnaryOp::Sigmoid, {inf, -inf, 1e30f, -1e30f, 0.f, -0.f, NAN});
  EXPECT_EQ(std::vector<float>(got.begin(), got.end() - 1),
            (std::vector<float>{1, 0, 1, 0, 0.5f, 0.5f}));
  EXPECT_TRUE(std::isnan(got.back()));
}

/// Vectors have their own exp, log, tanh, sin and cos; beyond the ranges that those are made for,
/// and where a float overflows, the results are still the C library's.
TEST(Unary, OfLargeAndSmallNumbersIsThatOfTheLibrary) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> x{0,     1e-40f, -1e-40f, 1e-20f,  88.7f,  88.8f,  89.f,  200.f, 1e30f,
                             3e38f, -87.3f, -103.f,  -104.f,  -200.f, -1e30f, 1e5f,  -1e6f, inf,
                             -inf,  NAN,    29999.f, 30001.f, 1.f,    -1.f,   1e-5f, 9.f,   -9.f};
  const std::vector<std::pair<UnaryOp, float (*)(float)>> functions{
      {UnaryOp::Exp, [](float v) { return std::exp(v); }},
      {UnaryOp::Log, [](float v) { return std::log(v); }},
      {UnaryOp::Tanh, [](float v) { return std::tanh(v); }},
      {UnaryOp::Sin, [](float v) { return std::sin(v); }},
      {UnaryOp::Cos, [](float v) { return std::cos(v); }},
      {UnaryOp::Elu, [](float v) { return v > 0 ? v : 0.5f * std::expm1(v); }},
      {UnaryOp::Softplus,
       [](float v) { return std::log1p(std::exp(-std::abs(v))) + std::max(v, 0.f); }}};
  for (const auto& [op, library] : functions) {
    const std::vector<float> got = values_of(op, x);
    for (size_t i = 0; i < x.size(); ++i) {
      const float want = std::isnan(x[i]) ? x[i] : library(x[i]);
      if (std::isnan(want)) {
        EXPECT_TRUE(std::isnan(got[i])) << static_cast<int>(op) << " of " << x[i];
      } else if (std::isinf(want)) {
        EXPECT_EQ(got[i], want) << static_cast<int>(op) << " of " << x[i];
      } else {
        // Numbers below the smallest normal one may be flushed to zero.
        EXPECT_NEAR(got[i], want, 1e-5 * std::abs(want) + 1e-37)
            << static_cast<int>(op) << " of " << x[i];
      }
    }
  }
}

}  // namespace
}  // namespace kestrel
