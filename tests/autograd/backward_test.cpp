#include <gtest/gtest.h>

#include <kestrel/autograd/functions/arithmetic.h>
#include <kestrel/autograd/functions/linear.h>
#include <kestrel/autograd/functions/reductions.h>
#include <kestrel/autograd/functions/shape_ops.h>
#include <kestrel/autograd/gradcheck.h>
#include <kestrel/autograd/variable.h>
#include <kestrel/tensor/random.h>

namespace kestrel::autograd {
namespace {

Variable leaf(std::initializer_list<double> values) {
  return Variable(Tensor::from(values, {static_cast<int64_t>(values.size())}), true);
}

std::vector<double> values(const Tensor& tensor) {
  const auto span = tensor.values<double>();
  return {span.begin(), span.end()};
}

using Doubles = std::vector<double>;

TEST(Backward, OfAScalarStartsFromOne) {
  const Variable x = leaf({1, 2, 3});
  sum(multiply(x, x)).backward();
  EXPECT_EQ(values(x.grad()), (Doubles{2, 4, 6}));
}

TEST(Backward, OfMoreThanAScalarNeedsASeed) {
  const Variable x = leaf({1, 2});
  EXPECT_THROW(scale(x, 2).backward(), Error);
  scale(x, 2).backward(Tensor::from({1.0, -1.0}, {2}));
  EXPECT_EQ(values(x.grad()), (Doubles{2, -2}));
}

TEST(Backward, WithoutAnythingToDifferentiateThrows) {
  const Variable x(Tensor::zeros({}, DType::Float64));
  EXPECT_THROW(sum(x).backward(), Error);
}

TEST(Backward, SeedOfAnotherShapeThrows) {
  const Variable x = leaf({1, 2});
  EXPECT_THROW(scale(x, 2).backward(Tensor::zeros({3}, DType::Float64)), Error);
}

TEST(Backward, AddsTheBranchesOfADiamond) {
  const Variable x = leaf({3});
  const Variable y = scale(x, 2);             // 6
  const Variable z = multiply(add(y, x), y);  // (2x + x) * 2x = 6x^2
  sum(z).backward();
  EXPECT_EQ(values(x.grad()), (Doubles{36}));
}

TEST(Backward, AddsTheUsesOfAVariableInOneFunction) {
  const Variable x = leaf({5});
  Variable y = x;
  for (int i = 0; i < 4; ++i) y = add(y, y);
  sum(y).backward();
  EXPECT_EQ(values(x.grad()), (Doubles{16}));
}

TEST(Backward, VisitsAFunctionAfterAllItsUsers) {
  // The long branch reaches the shared function later than the short one; its gradient must have
  // arrived when the shared function is differentiated, once.
  int calls = 0;
  const Variable x = leaf({2});
  const Variable shared =
      record("counted", {x}, x.data().clone(), [&calls](std::span<Tensor> grads, const NeedsGrad&) {
        ++calls;
        return std::vector<Tensor>{grads[0]};
      });
  Variable branch = shared;
  for (int i = 0; i < 10; ++i) branch = add_scalar(branch, 1);
  sum(add(branch, shared)).backward();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(values(x.grad()), (Doubles{2}));
}

TEST(Backward, AccumulatesOverCalls) {
  const Variable x = leaf({1});
  for (int i = 0; i < 3; ++i) sum(scale(x, 2)).backward();
  EXPECT_EQ(values(x.grad()), (Doubles{6}));
}

TEST(Backward, TwiceNeedsRetainGraph) {
  const Variable x = leaf({1, 2});
  const Variable kept = sum(multiply(x, x));
  kept.backward({}, true);
  kept.backward({}, true);
  EXPECT_EQ(values(x.grad()), (Doubles{4, 8}));
  const Variable released = sum(multiply(x, x));
  released.backward();
  EXPECT_THROW(released.backward(), Error);
}

TEST(Backward, ThroughAReleasedPartThrows) {
  const Variable x = leaf({1});
  const Variable y = multiply(x, x);
  sum(y).backward();
  EXPECT_THROW(sum(scale(y, 2)).backward(), Error);
}

TEST(Backward, GivesEachLeafMemoryOfItsOwn) {
  const Variable a = leaf({1, 2}), b = leaf({3, 4});
  const Tensor seed = Tensor::from({1.0, 1.0}, {2});
  add(a, b).backward(seed);
  EXPECT_FALSE(a.grad().shares_memory_with(b.grad()));
  EXPECT_FALSE(a.grad().shares_memory_with(seed));
  Variable(a).grad().fill(7);
  EXPECT_EQ(values(b.grad()), (Doubles{1, 1}));
  EXPECT_EQ(values(seed), (Doubles{1, 1}));
}

TEST(Backward, GradientsOfViewsAreTheLeafsOwnToo) {
  const Variable x = leaf({1, 2, 3, 4});
  const Variable y = reshape(x, {2, 2});
  Tensor seed = Tensor::full({2, 2}, 1, DType::Float64);
  y.backward(seed);
  seed.fill(9);
  EXPECT_EQ(values(x.grad()), (Doubles{1, 1, 1, 1}));
}

TEST(Backward, LeavesASeedAsItWas) {
  const Variable x = leaf({-1, 2});
  const Tensor seed = Tensor::from({3.0, 4.0}, {2});
  relu(x).backward(seed);  // Works in place where it may.
  EXPECT_EQ(values(seed), (Doubles{3, 4}));
  EXPECT_EQ(values(x.grad()), (Doubles{0, 4}));
}

TEST(Backward, GradientThatTwoFunctionsShareIsNotOverwritten) {
  // add() hands one gradient to both relus; the first must not mask it for the second.
  const Variable a = leaf({-1, 1}), b = leaf({1, -1});
  add(relu(a), relu(b)).backward(Tensor::from({5.0, 5.0}, {2}));
  EXPECT_EQ(values(a.grad()), (Doubles{0, 5}));
  EXPECT_EQ(values(b.grad()), (Doubles{5, 0}));
}

TEST(Backward, DoesNotReachWhatNeedsNoGradient) {
  const Variable x = leaf({2});
  const Variable constant(Tensor::from({3.0}, {1}));
  sum(multiply(x, constant)).backward();
  EXPECT_EQ(values(x.grad()), (Doubles{3}));
  EXPECT_FALSE(constant.grad().defined());
}

TEST(Backward, StopsAtDetach) {
  const Variable x = leaf({2});
  sum(multiply(x, scale(x, 3).detach())).backward();
  EXPECT_EQ(values(x.grad()), (Doubles{6}));
}

TEST(Backward, UnusedOutputsAreUndefinedForTheFunction) {
  const Variable x = leaf({1});
  std::vector<bool> defined;
  const std::vector<Variable> pair =
      record("pair", {x}, std::vector<Tensor>{x.data().clone(), x.data().clone()},
             [&defined](std::span<Tensor> grads, const NeedsGrad&) {
               for (const Tensor& grad : grads) defined.push_back(grad.defined());
               return std::vector<Tensor>{grads[1]};
             });
  sum(pair[1]).backward();
  EXPECT_EQ(defined, (std::vector<bool>{false, true}));
}

TEST(Backward, WrongNumberOrShapeOfGradientsThrows) {
  const Variable x = leaf({1, 2});
  const auto with = [&](std::vector<Tensor> result) {
    return record("broken", {x}, x.data().clone(),
                  [result](std::span<Tensor>, const NeedsGrad&) { return result; });
  };
  EXPECT_THROW(sum(with({})).backward(), Error);
  EXPECT_THROW(sum(with({Tensor::zeros({3}, DType::Float64)})).backward(), Error);
}

TEST(Backward, ConvertsGradientsToTheDtypeOfTheVariable) {
  const Variable x(Tensor::full({2}, 1), true);
  sum(cast(x, DType::BFloat16)).backward();
  EXPECT_EQ(x.grad().dtype(), DType::Float32);
}

TEST(LongChain, GoesBackwardAndAwayWithoutRecursion) {
  const Variable x = leaf({1});
  Variable y = x;
  for (int i = 0; i < 100'000; ++i) y = add_scalar(y, 1);
  sum(y).backward();
  EXPECT_EQ(values(x.grad()), (Doubles{1}));
}

TEST(LongChain, IsDroppedWithoutRecursion) {
  const Variable x = leaf({1});
  Variable single = x, twice = x, zigzag = x;
  for (int i = 0; i < 100'000; ++i) {
    single = add_scalar(single, 1);
    twice = add(twice, twice);
    zigzag = add(scale(zigzag, 0.5), zigzag);
  }
  EXPECT_TRUE(single.requires_grad());
}

TEST(LongChain, WithDoubleUsesGoesBackward) {
  const Variable x = leaf({1});
  Variable y = x;
  for (int i = 0; i < 100'000; ++i) y = scale(add(y, y), 0.5);
  sum(y).backward();
  EXPECT_EQ(values(x.grad()), (Doubles{1}));
}

TEST(Graph, IsReleasedByBackward) {
  // What a function saved goes with it.
  const Variable x = leaf({1, 2});
  Tensor saved = Tensor::zeros({1024}, DType::Float64);
  const Variable y = record(
      "saver", {x}, x.data().clone(),
      [saved](std::span<Tensor> grads, const NeedsGrad&) { return std::vector<Tensor>{grads[0]}; });
  EXPECT_FALSE(saved.unique());
  sum(y).backward();
  EXPECT_TRUE(saved.unique());
}

TEST(NoGrad, BuildsNoGraph) {
  const Variable x = leaf({1});
  {
    const NoGrad no_grad;
    EXPECT_FALSE(grad_enabled());
    EXPECT_FALSE(wants_grad({&x}));
    EXPECT_FALSE(scale(x, 2).requires_grad());
    {
      const GradMode inside(true);
      EXPECT_TRUE(scale(x, 2).requires_grad());
    }
    EXPECT_FALSE(grad_enabled());
  }
  EXPECT_TRUE(grad_enabled());
  EXPECT_TRUE(wants_grad({&x}));
}

TEST(Variable, RequiresGradIsForFloatingLeaves) {
  EXPECT_THROW(Variable(Tensor::zeros({2}, DType::Int64), true), Error);
  Variable x = leaf({1});
  Variable y = scale(x, 2);
  EXPECT_THROW(y.set_requires_grad(false), Error);
  x.set_requires_grad(false);
  EXPECT_FALSE(scale(x, 2).requires_grad());
}

TEST(Variable, UndefinedStandsForNone) {
  const Variable none;
  EXPECT_FALSE(none.defined());
  EXPECT_FALSE(none.requires_grad());
  EXPECT_FALSE(static_cast<bool>(none.view()));
  EXPECT_FALSE(none.detach().defined());
  EXPECT_THROW(Variable(none).grad(), Error);
}

Variable block(const Variable& x, const Variable& weight) {
  return sigmoid(linear(relu(linear(x, weight)), weight));
}

TEST(Checkpoint, GivesTheValuesAndGradientsOfThePlainFunction) {
  Tensor data = Tensor::empty({3, 4}, DType::Float64),
         matrix = Tensor::empty({4, 4}, DType::Float64);
  Philox random(3);
  fill_normal(data, 0, 1, random);
  fill_normal(matrix, 0, 1, random);

  const Variable x(data, true), weight(matrix, true);
  const Variable plain = sum(block(x, weight));
  plain.backward();

  const Variable y(data, true), same_weight(matrix, true);
  const std::vector<Variable> out = checkpoint(
      [&](const std::vector<Variable>& in) {
        return std::vector<Variable>{block(in[0], same_weight)};
      },
      {y});
  const Variable total = sum(out[0]);
  EXPECT_EQ(total.data().item<double>(), plain.data().item<double>());
  total.backward();
  EXPECT_EQ(values(y.grad()), values(x.grad()));
  EXPECT_EQ(values(same_weight.grad()), values(weight.grad()));
}

TEST(Checkpoint, ReachesParametersWhereNoInputNeedsAGradient) {
  const Variable x(Tensor::from({2.0}, {1}));
  const Variable weight = leaf({3});
  const auto out = checkpoint(
      [&](const std::vector<Variable>& in) {
        return std::vector<Variable>{multiply(in[0], weight)};
      },
      {x});
  sum(out[0]).backward();
  EXPECT_EQ(values(weight.grad()), (Doubles{2}));
}

TEST(Checkpoint, SeveralOutputsAddUp) {
  const Variable x = leaf({2, 3});
  const auto out = checkpoint(
      [](const std::vector<Variable>& in) {
        const Variable shared = multiply(in[0], in[0]);
        return std::vector<Variable>{scale(shared, 2), add_scalar(shared, 1)};
      },
      {x});
  sum(add(out[0], out[1])).backward();
  EXPECT_EQ(values(x.grad()), (Doubles{12, 18}));
}

TEST(Autocast, IsAFlagOfItsScope) {
  EXPECT_FALSE(autocast_enabled());
  {
    const Autocast on;
    EXPECT_TRUE(autocast_enabled());
    {
      const Autocast off(false);
      EXPECT_FALSE(autocast_enabled());
    }
    EXPECT_TRUE(autocast_enabled());
  }
  EXPECT_FALSE(autocast_enabled());
}

TEST(Autocast, ComputesProductsInBfloat16AndGradientsInFloat32) {
  const Variable x(Tensor::full({2, 8}, 1.5), true), weight(Tensor::full({4, 8}, 0.25), true);
  const Autocast on;
  const Variable y = linear(x, weight);
  EXPECT_EQ(y.dtype(), DType::BFloat16);
  EXPECT_EQ(static_cast<float>(y.data().values<bfloat16>()[0]), 3.0f);
  sum(y).backward();
  EXPECT_EQ(x.grad().dtype(), DType::Float32);
  EXPECT_EQ(weight.grad().dtype(), DType::Float32);
  EXPECT_EQ(x.grad().values<float>()[0], 1.0f);
  EXPECT_EQ(weight.grad().values<float>()[0], 3.0f);
}

TEST(Gradcheck, FindsAWrongDerivative) {
  const auto wrong = [](const std::vector<Variable>& in) {
    return std::vector<Variable>{record("wrong", {in[0]}, in[0].data().clone(),
                                        [](std::span<Tensor> grads, const NeedsGrad&) {
                                          Tensor grad = grads[0].clone();
                                          grad.data<double>()[1] *= 1.001;
                                          return std::vector<Tensor>{grad};
                                        })};
  };
  const Tensor x = Tensor::from({1.0, 2.0, 3.0}, {3});
  const std::string report = gradcheck(wrong, {x});
  EXPECT_NE(report.find("input 0, element 1"), std::string::npos) << report;
  const auto right = [](const std::vector<Variable>& in) {
    return std::vector<Variable>{multiply(in[0], in[0])};
  };
  EXPECT_EQ(gradcheck(right, {x}), "");
}

TEST(Gradcheck, FindsAMissingDerivative) {
  const auto cut = [](const std::vector<Variable>& in) {
    return std::vector<Variable>{add(in[0], in[1].detach())};
  };
  const Tensor x = Tensor::from({1.0}, {1});
  EXPECT_NE(gradcheck(cut, {x, x}), "");
}

}  // namespace
}  // namespace kestrel::autograd
