#include <kestrel/tensor/random.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include <kestrel/kernels/common/philox.h>

namespace kestrel {
namespace {

using Block = std::array<uint32_t, 4>;

// Known answers of philox4x32 with ten rounds, from Random123's kat_vectors.
TEST(Philox, GivesThePublishedKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox4x32({ones, ones, ones, ones}, {ones, ones}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, EqualNamesGiveEqualStreams) {
  Philox a(5, 6, 7), b(5, 6, 7);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.next(), b.next());
}

TEST(Philox, DifferentNamesGiveDifferentStreams) {
  std::set<uint32_t> firsts;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    for (uint64_t epoch = 0; epoch < 4; ++epoch) {
      for (uint64_t sample = 0; sample < 4; ++sample) {
        firsts.insert(Philox(seed, epoch, sample).next());
      }
    }
  }
  firsts.insert(Philox(uint64_t{1} << 32).next());
  firsts.insert(Philox(0, 0, uint64_t{1} << 32).next());
  EXPECT_EQ(firsts.size(), 66u);
}

TEST(Philox, UniformHasItsMeanAndRange) {
  Philox random(1);
  double total = 0;
  for (int i = 0; i < 100'000; ++i) {
    const double u = random.uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    total += u;
  }
  // The mean's standard deviation is sqrt(1 / 12 / 100,000) = 0.0009; five of them.
  EXPECT_NEAR(total / 100'000, 0.5, 0.0046);
}

TEST(Philox, NormalHasItsMoments) {
  Philox random(2);
  double total = 0, squares = 0;
  for (int i = 0; i < 100'000; ++i) {
    const double x = random.normal();
    ASSERT_TRUE(std::isfinite(x));
    total += x;
    squares += x * x;
  }
  EXPECT_NEAR(total / 100'000, 0, 0.016);    // Five standard deviations of 0.0032.
  EXPECT_NEAR(squares / 100'000, 1, 0.023);  // Five of sqrt(2 / 100,000) = 0.0045.
}

TEST(Philox, IntegersCoverTheirRangeEvenly) {
  Philox random(3);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70'000; ++i) {
    const int64_t k = random.integer(-3, 4);
    ASSERT_GE(k, -3);
    ASSERT_LT(k, 4);
    ++counts[static_cast<size_t>(k + 3)];
  }
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 463);  // Five of sqrt(n p (1 - p)).
  EXPECT_EQ(random.integer(5, 6), 5);
  EXPECT_THROW(random.integer(5, 5), Error);
  EXPECT_THROW(random.integer(5, 4), Error);
}

TEST(Philox, PermutationsHaveEachNumberOnce) {
  Philox random(4);
  EXPECT_TRUE(random.permutation(0).empty());
  std::vector<int64_t> order = random.permutation(1000);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 1000; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(Random, FillDrawsInRowMajorOrder) {
  Tensor tensor = Tensor::empty({3, 4}, DType::Float64);
  Philox random(9), same(9);
  fill_uniform(tensor, -2, 3, random);
  for (const double value : tensor.values<double>()) {
    EXPECT_EQ(value, same.uniform(-2, 3));
    EXPECT_GE(value, -2);
    EXPECT_LT(value, 3);
  }
}

TEST(Random, FillLeavesTheStreamWhereDrawingDoes) {
  for (const int64_t drawn : {0, 1, 2, 3, 4, 5}) {
    for (const int64_t n : {0, 1, 3, 5000}) {
      Philox random(11, 2, 3), same(11, 2, 3);
      for (int64_t i = 0; i < drawn; ++i) EXPECT_EQ(random.next(), same.next());
      Tensor normal = Tensor::empty({n}, DType::Float64), uniform = Tensor::empty({n});
      fill_normal(normal, 1, 2, random);
      fill_uniform(uniform, 0, 7, random);
      for (const double value : normal.values<double>()) {
        EXPECT_DOUBLE_EQ(value, 1 + 2 * same.normal());
      }
      for (const float value : uniform.values<float>()) {
        EXPECT_EQ(value, static_cast<float>(same.uniform(0, 7)));
      }
      EXPECT_EQ(random.next(), same.next()) << drawn << " drawn, filled " << n;
    }
  }
}

}  // namespace
}  // namespace kestrel
