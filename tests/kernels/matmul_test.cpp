#include <kestrel/kernels/matmul.h>

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <kestrel/kernels/conv2d.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel {
namespace {

struct Sizes {
  int64_t m, n, k;
};

const Sizes kSizes[] = {{1, 1, 1},      {3, 5, 7},    {16, 32, 16},  {14, 33, 100},
                        {64, 64, 64},   {1, 200, 65}, {130, 1, 300}, {257, 96, 1},
                        {100, 81, 257}, {0, 4, 4},    {4, 0, 4},     {4, 5, 0}};

template <class T>
std::vector<T> random_values(int64_t count, uint32_t seed) {
  std::vector<T> values(static_cast<size_t>(count));
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  for (T& value : values) value = static_cast<T>(normal(generator));
  return values;
}

template <class T>
double to_double(T value) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    return static_cast<float>(value);
  } else {
    return static_cast<double>(value);
  }
}

template <class T, class C>
void check(double tolerance) {
  for (const auto [m, n, k] : kSizes) {
    for (int flags = 0; flags < 32; ++flags) {
      const bool with_bias = flags & 8;
      auto a = random_values<T>(m * k, 1), b = random_values<T>(k * n, 2);
      auto c = random_values<C>(m * n, 3), bias = random_values<C>(n, 4);
      MatmulParams params{.trans_a = (flags & 1) != 0,
                          .trans_b = (flags & 2) != 0,
                          .accumulate = (flags & 4) != 0,
                          .relu = (flags & 16) != 0};
      if (with_bias) params.bias = {bias.data(), dtype_of<C>, {n}};
      std::vector<double> expected(c.size());
      double scale = 1;
      for (int64_t i = 0; i < m; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          const auto at = static_cast<size_t>(i * n + j);
          double sum = params.accumulate ? to_double(c[at]) : 0;
          if (with_bias) sum += to_double(bias[static_cast<size_t>(j)]);
          for (int64_t l = 0; l < k; ++l) {
            sum += to_double(a[static_cast<size_t>(params.trans_a ? l * m + i : i * k + l)]) *
                   to_double(b[static_cast<size_t>(params.trans_b ? j * k + l : l * n + j)]);
          }
          expected[at] = params.relu ? std::max(0.0, sum) : sum;
          scale = std::max(scale, std::abs(sum));
        }
      }
      if (!params.accumulate) {
        for (C& value : c) value = static_cast<C>(NAN);
      }
      cpu::matmul({a.data(), dtype_of<T>, params.trans_a ? Shape{k, m} : Shape{m, k}},
                  {b.data(), dtype_of<T>, params.trans_b ? Shape{n, k} : Shape{k, n}},
                  {c.data(), dtype_of<C>, {m, n}}, params);
      double worst = 0;
      for (size_t i = 0; i < c.size(); ++i) {
        const double error = std::abs(to_double(c[i]) - expected[i]);
        worst = std::isnan(error) ? INFINITY : std::max(worst, error);
      }
      EXPECT_LE(worst, tolerance * scale)
          << m << 'x' << k << " times " << k << 'x' << n << ", flags " << flags;
    }
  }
}

// Some hundred float32 terms; bfloat16 rounds the result by 2^-9.
TEST(Matmul, Float32) {
  check<float, float>(2e-6);
}
TEST(Matmul, Float64) {
  check<double, double>(1e-14);
}
TEST(Matmul, BFloat16) {
  check<bfloat16, bfloat16>(4e-3);
}
TEST(Matmul, BFloat16ToFloat32) {
  check<bfloat16, float>(2e-6);
}

TEST(Matmul, ThreadsDoNotChangeABit) {
  const int64_t m = 300, n = 200, k = 500;
  auto a = random_values<float>(m * k, 1), b = random_values<float>(k * n, 2);
  const int before = num_threads();
  for (const bool trans_a : {false, true}) {
    std::vector<float> one(static_cast<size_t>(m * n)), two(one);
    for (const int threads : {1, 2}) {
      set_num_threads(threads);
      cpu::matmul({a.data(), DType::Float32, trans_a ? Shape{k, m} : Shape{m, k}},
                  {b.data(), DType::Float32, {k, n}},
                  {(threads == 1 ? one : two).data(), DType::Float32, {m, n}},
                  {.trans_a = trans_a});
    }
    EXPECT_EQ(std::memcmp(one.data(), two.data(), one.size() * sizeof(float)), 0);
  }
  set_num_threads(before);
}

TEST(Matmul, WeightKeyIsForgotten) {
  std::vector<float> a = {1, 2}, b = {3, 4}, c = {0};
  const auto run = [&] {
    cpu::matmul({a.data(), DType::Float32, {1, 2}}, {b.data(), DType::Float32, {1, 2}},
                {c.data(), DType::Float32, {1, 1}}, {.trans_b = true, .weight_key = 77});
    return c[0];
  };
  EXPECT_EQ(run(), 11);
  cpu::conv2d_forget(77);
  b = {5, 6};
  EXPECT_EQ(run(), 17);
  EXPECT_EQ(run(), 17);
  cpu::conv2d_forget(77);
}

TEST(Matmul, RefusesWhatDoesNotFit) {
  std::vector<float> a(6), b(6), c(9);
  EXPECT_THROW(cpu::matmul({a.data(), DType::Float32, {2, 3}}, {b.data(), DType::Float32, {2, 3}},
                           {c.data(), DType::Float32, {2, 3}}, {}),
               Error);
  EXPECT_THROW(cpu::matmul({a.data(), DType::Float32, {2, 3}}, {b.data(), DType::Float64, {3, 2}},
                           {c.data(), DType::Float32, {2, 2}}, {}),
               Error);
}

}  // namespace
}  // namespace kestrel
