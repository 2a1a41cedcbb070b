#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include <kestrel/kernels/focal_loss.h>
#include <kestrel/kernels/parallel.h>
#include <kestrel/tensor/random.h>
#include <kestrel/tensor/tensor.h>

namespace kestrel {
namespace {

struct Result {
  double loss;
  Tensor grad;
};

Result focal(const Tensor& logits, const Tensor& labels, const Tensor& weights = {},
             const FocalLossParams& params = {}) {
  const DType dtype = logits.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  Tensor loss = Tensor::empty({}, dtype);
  Tensor grad = Tensor::full(logits.shape(), 123, logits.dtype());
  cpu::focal_loss(logits.view(), labels.view(), weights.view(), params, {}, loss.view(),
                  grad.view());
  return {loss.item<double>(), grad};
}

struct FocalCase {
  Tensor logits, labels, weights;
};

FocalCase random_case(Philox& random, int64_t n, int64_t classes, double spread) {
  FocalCase c{Tensor::empty({n, classes}), Tensor::empty({n}, DType::Int64), Tensor::empty({n})};
  fill_normal(c.logits, -1, spread, random);
  fill_uniform(c.weights, 0, 2, random);
  for (int64_t i = 0; i < n; ++i) {
    c.labels.data<int64_t>()[i] = random.integer(-1, classes + 1);
    if (i % 5 == 0) c.weights.data<float>()[i] = 0;
  }
  return c;
}

TEST(FocalLoss, VectorsAgreeWithDoublePrecision) {
  Philox random(1);
  for (const auto& [n, classes] :
       {std::pair{300, 80}, {3001, 1}, {77, 3}, {1003, 3}, {3, 5000}, {1, 17}}) {
    for (const double gamma : {0.0, 1.0, 1.5, 2.0, 5.0}) {
      for (const double spread : {1.0, 8.0, 60.0}) {
        const FocalCase c = random_case(random, n, classes, spread);
        const FocalLossParams params{.alpha = 0.3, .gamma = gamma, .scale = 0.7};
        const Result got = focal(c.logits, c.labels, c.weights, params);
        const Result want =
            focal(c.logits.to(DType::Float64), c.labels, c.weights.to(DType::Float64), params);
        // A handful of float operations of 1.2e-7 each; a power other than 2 is exp(-gamma * l),
        // where an argument down to -69 (1e-30) carries its relative error into the exponent.
        const double tolerance = gamma == 2 ? 2e-6 : 2e-5;
        EXPECT_NEAR(got.loss, want.loss, tolerance * want.loss + 1e-30);
        for (int64_t i = 0; i < got.grad.numel(); ++i) {
          const double reference = want.grad.data<double>()[i];
          ASSERT_NEAR(got.grad.data<float>()[i], reference, tolerance * std::abs(reference) + 1e-30)
              << n << 'x' << classes << " gamma " << gamma << " logit "
              << c.logits.data<float>()[i];
        }
      }
    }
  }
}

TEST(FocalLoss, IsTheFormulaOfThePaper) {
  const Tensor logits = Tensor::from<double>({0.3, -1.2, 2.0, 0.5}, {2, 2});
  const Tensor labels = Tensor::from<int64_t>({1, 2}, {2});
  double want = 0;
  for (int i = 0; i < 4; ++i) {
    const double p = 1 / (1 + std::exp(-logits.data<double>()[i]));
    want += i == 1 ? -0.25 * (1 - p) * (1 - p) * std::log(p) : -0.75 * p * p * std::log(1 - p);
  }
  EXPECT_NEAR(focal(logits, labels).loss, want, 1e-14);
}

TEST(FocalLoss, WithoutModulationAndAtEvenAlphaIsHalfTheCrossEntropy) {
  const Tensor logits = Tensor::from<double>({0.3, -1.2, 2.0}, {1, 3});
  const Tensor labels = Tensor::from<int64_t>({2}, {1});
  const double want =
      std::log1p(std::exp(0.3)) + std::log1p(std::exp(-1.2)) + std::log1p(std::exp(-2.0));
  EXPECT_NEAR(focal(logits, labels, {}, {.alpha = 0.5, .gamma = 0}).loss, want / 2, 1e-14);
}

TEST(FocalLoss, StaysFiniteAtTheEndsOfFloat) {
  const float huge = 1e30f;
  const Tensor logits = Tensor::from<float>({huge, -huge, 100, -100, 90, -90, 0, -0.0f}, {2, 4});
  for (const int64_t label : {0, 1, 2, 3, 4}) {
    const Result r = focal(logits, Tensor::from<int64_t>({label, label}, {2}));
    EXPECT_TRUE(std::isfinite(r.loss)) << label;
    for (const float g : r.grad.values<float>()) EXPECT_TRUE(std::isfinite(g)) << label;
  }
}

TEST(FocalLoss, NanLogitsShowInTheLossUnlessTheirRowIsIgnored) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor logits = Tensor::from<float>({nan, 1, 2, 3}, {2, 2});
  EXPECT_TRUE(std::isnan(focal(logits, Tensor::from<int64_t>({2, 2}, {2})).loss));
  EXPECT_TRUE(std::isnan(focal(logits, Tensor::from<int64_t>({0, 2}, {2})).loss));
  const Result ignored = focal(logits, Tensor::from<int64_t>({-1, 2}, {2}));
  EXPECT_TRUE(std::isfinite(ignored.loss));
  EXPECT_EQ(ignored.grad.data<float>()[0], 0.0f);
  EXPECT_EQ(ignored.grad.data<float>()[1], 0.0f);
  const Result weightless =
      focal(logits, Tensor::from<int64_t>({0, 2}, {2}), Tensor::from<float>({0, 1}, {2}));
  EXPECT_EQ(weightless.loss, ignored.loss);
}

TEST(FocalLoss, Bfloat16LogitsGiveTheLossOfTheirValues) {
  Philox random(2);
  const FocalCase c = random_case(random, 200, 80, 4);
  const Tensor rounded = c.logits.to(DType::BFloat16);
  const Result got = focal(rounded, c.labels, c.weights);
  const Result want = focal(rounded.to(DType::Float32), c.labels, c.weights);
  EXPECT_EQ(got.loss, want.loss);
  EXPECT_EQ(got.grad.dtype(), DType::BFloat16);
  const Tensor expected = want.grad.to(DType::BFloat16);
  for (int64_t i = 0; i < expected.numel(); ++i) {
    ASSERT_EQ(got.grad.data<bfloat16>()[i].bits, expected.data<bfloat16>()[i].bits);
  }
}

TEST(FocalLoss, DoesNotDependOnTheNumberOfThreads) {
  Philox random(3);
  const FocalCase c = random_case(random, 5000, 20, 3);
  const int before = num_threads();
  set_num_threads(1);
  const double one = focal(c.logits, c.labels).loss;
  set_num_threads(3);
  const double three = focal(c.logits, c.labels).loss;
  set_num_threads(before);
  EXPECT_EQ(one, three);
}

TEST(FocalLoss, NothingInIsZero) {
  EXPECT_EQ(focal(Tensor::empty({0, 80}), Tensor::empty({0}, DType::Int64)).loss, 0);
}

TEST(FocalLoss, RefusesWhatDoesNotFit) {
  const Tensor logits = Tensor::zeros({2, 3});
  EXPECT_THROW(focal(logits, Tensor::from<int64_t>({0, 4}, {2})), Error);
  EXPECT_THROW(focal(logits, Tensor::from<int64_t>({0, -2}, {2})), Error);
  EXPECT_THROW(focal(logits, Tensor::from<int64_t>({0, 1, 2, 3}, {4})), Error);
  EXPECT_THROW(focal(logits, Tensor::from<int64_t>({0, 1}, {2}), {}, {.gamma = -1}), Error);
}

}  // namespace
}  // namespace kestrel
