#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <kestrel/kernels/nms.h>
#include <kestrel/tensor/random.h>

#include "../support/random.h"

namespace kestrel {
namespace {

using test::kInf;
using test::kNan;

struct Boxes {
  std::vector<std::array<float, 4>> boxes;
  std::vector<float> scores;
  std::vector<int64_t> classes;

  void add(std::array<float, 4> box, float score, int64_t label = 0) {
    boxes.push_back(box);
    scores.push_back(score);
    classes.push_back(label);
  }
};

std::vector<int64_t> run_nms(const Boxes& in, double threshold, bool by_class = true,
                             int64_t max_kept = -1) {
  const auto n = static_cast<int64_t>(in.boxes.size());
  std::vector<int64_t> kept(in.boxes.size());
  const ConstView classes =
      by_class ? ConstView{in.classes.data(), DType::Int64, {n}} : ConstView{};
  const int64_t count =
      cpu::nms({in.boxes.data(), DType::Float32, {n, 4}}, {in.scores.data(), DType::Float32, {n}},
               classes, {threshold, max_kept}, {kept.data(), DType::Int64, {n}});
  kept.resize(static_cast<size_t>(count));
  return kept;
}

/// A product that the compiler cannot fuse with the sum that follows.
[[gnu::noinline]] float unfused_product(float a, float b) {
  return a * b;
}

bool overlap(const std::array<float, 4>& a, const std::array<float, 4>& b, float threshold) {
  const float w = std::min(a[2], b[2]) - std::max(a[0], b[0]);
  const float h = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  if (!(w > 0 && h > 0)) return false;
  const float inter = unfused_product(w, h);
  const float both =
      unfused_product(a[2] - a[0], a[3] - a[1]) + unfused_product(b[2] - b[0], b[3] - b[1]) - inter;
  return inter > unfused_product(threshold, both);
}

/// The definition: compares every box with every kept one.
std::vector<int64_t> naive_nms(const Boxes& in, float threshold) {
  std::vector<int64_t> order(in.boxes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return in.scores[static_cast<size_t>(a)] > in.scores[static_cast<size_t>(b)];
  });
  std::vector<int64_t> kept;
  for (const int64_t i : order) {
    const bool gone = std::any_of(kept.begin(), kept.end(), [&](int64_t k) {
      const auto a = static_cast<size_t>(i);
      const auto b = static_cast<size_t>(k);
      return in.classes[a] == in.classes[b] && overlap(in.boxes[a], in.boxes[b], threshold);
    });
    if (!gone) kept.push_back(i);
  }
  return kept;
}

Boxes random_boxes(Philox& random, int64_t n, double extent, double largest, int64_t classes,
                   bool integers) {
  Boxes in;
  for (int64_t i = 0; i < n; ++i) {
    const auto number = [&](double low, double high) {
      const double value = random.uniform(low, high);
      return static_cast<float>(integers ? std::floor(value) : value);
    };
    const float x = number(-extent / 4, extent);
    const float y = number(-extent / 4, extent);
    // Integer scores tie often.
    const float score = integers ? number(0, 10) : number(-1, 1);
    in.add({x, y, x + number(0, largest), y + number(0, largest)}, score,
           random.integer(0, classes) * 1000 - 7);
  }
  return in;
}

TEST(Nms, AgreesWithItsDefinition) {
  Philox random(1);
  for (int round = 0; round < 400; ++round) {
    const int64_t n = random.integer(0, 300);
    const double extent = random.uniform(5, 500);
    const Boxes in = random_boxes(random, n, extent, random.uniform(1, extent),
                                  random.integer(1, 5), round % 2 == 0);
    const float thresholds[] = {0.f, 0.05f, 0.3f, 0.5f, 0.7f, 0.95f, 1.f};
    const float threshold = thresholds[random.integer(0, 7)];
    ASSERT_EQ(run_nms(in, threshold), naive_nms(in, threshold)) << "round " << round;
  }
}

TEST(Nms, AgreesWithItsDefinitionOnAFineGridOfCells) {
  Philox random(2);
  for (const float threshold : {0.1f, 0.5f, 0.8f}) {
    const Boxes in = random_boxes(random, 6000, 900, 60, 1, false);
    EXPECT_EQ(run_nms(in, threshold), naive_nms(in, threshold)) << threshold;
  }
}

TEST(Nms, MixesHugeAndTinyBoxes) {
  Philox random(3);
  Boxes in = random_boxes(random, 2000, 100, 3, 1, false);
  for (int i = 0; i < 200; ++i) {
    const auto s = static_cast<float>(std::exp(random.uniform(-8, 8)));
    in.add({-s, -s * 1.1f, s * 1.05f, s}, static_cast<float>(random.uniform(-1, 1)), -7);
  }
  EXPECT_EQ(run_nms(in, 0.5), naive_nms(in, 0.5f));
  EXPECT_EQ(run_nms(in, 0.02), naive_nms(in, 0.02f));
}

TEST(Nms, ThresholdIsStrict) {
  Boxes in;
  in.add({0, 0, 2, 1}, 0.9f);
  in.add({0, 0, 1, 1}, 0.8f);  // IoU exactly 0.5
  EXPECT_EQ(run_nms(in, 0.5), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(run_nms(in, 0.4999), (std::vector<int64_t>{0}));
}

TEST(Nms, EqualScoresKeepTheOrderOfTheInput) {
  Boxes in;
  for (int i = 0; i < 50; ++i) in.add({0, 0, 10, 10}, 0.5f);
  EXPECT_EQ(run_nms(in, 0.5), (std::vector<int64_t>{0}));
  EXPECT_EQ(run_nms(in, 1.0).size(), 50u);
}

TEST(Nms, ClassesLeaveEachOtherAlone) {
  Boxes in;
  in.add({0, 0, 10, 10}, 0.5f, 3);
  in.add({0, 0, 10, 10}, 0.6f, INT64_MIN);
  in.add({0, 0, 10, 10}, 0.7f, 3);
  in.add({0, 0, 10, 10}, 0.8f, INT64_MAX);
  EXPECT_EQ(run_nms(in, 0.5), (std::vector<int64_t>{3, 2, 1}));
  EXPECT_EQ(run_nms(in, 0.5, false), (std::vector<int64_t>{3}));
}

TEST(Nms, StopsAtTheLargestNumberWanted) {
  Philox random(4);
  const Boxes in = random_boxes(random, 500, 400, 30, 3, false);
  std::vector<int64_t> all = run_nms(in, 0.5);
  ASSERT_GT(all.size(), 10u);
  all.resize(10);
  EXPECT_EQ(run_nms(in, 0.5, true, 10), all);
  EXPECT_TRUE(run_nms(in, 0.5, true, 0).empty());
}

TEST(Nms, IsIdempotent) {
  Philox random(5);
  const Boxes in = random_boxes(random, 3000, 300, 80, 2, false);
  const std::vector<int64_t> kept = run_nms(in, 0.4);
  Boxes left;
  for (const int64_t i : kept) {
    const auto k = static_cast<size_t>(i);
    left.add(in.boxes[k], in.scores[k], in.classes[k]);
  }
  EXPECT_EQ(run_nms(left, 0.4).size(), kept.size());
}

TEST(Nms, DoesNotDependOnTheOrderOfDistinctScores) {
  Philox random(6);
  Boxes in = random_boxes(random, 1000, 300, 80, 2, false);
  for (size_t i = 0; i < in.scores.size(); ++i) in.scores[i] = static_cast<float>(i);
  const std::vector<int64_t> order = random.permutation(1000);
  Boxes shuffled;
  for (const int64_t i : order) {
    const auto k = static_cast<size_t>(i);
    shuffled.add(in.boxes[k], in.scores[k], in.classes[k]);
  }
  std::vector<int64_t> back = run_nms(shuffled, 0.4);
  for (int64_t& i : back) i = order[static_cast<size_t>(i)];
  EXPECT_EQ(back, run_nms(in, 0.4));
}

TEST(Nms, AwkwardBoxesAreKeptAndSuppressNothing) {
  Boxes in;
  in.add({kNan, 0, 10, 10}, 0.9f);
  in.add({0, 0, kInf, 10}, 0.8f);
  in.add({-kInf, -kInf, kInf, kInf}, 0.7f);
  in.add({10, 10, 0, 0}, 0.6f);  // both sides negative: the product is not
  in.add({5, 5, 5, 9}, 0.5f);    // no width
  in.add({0, 0, 1e30f, 1e30f}, 0.4f);
  in.add({0, 0, 10, 10}, 0.3f);
  in.add({0, 0, 10, 10}, kNan);  // last, and a duplicate
  EXPECT_EQ(run_nms(in, 0.5), (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6}));
}

TEST(Nms, NothingIn) {
  EXPECT_TRUE(run_nms({}, 0.5).empty());
}

TEST(Nms, RefusesWhatDoesNotFit) {
  Boxes in;
  in.add({0, 0, 1, 1}, 1);
  EXPECT_THROW(run_nms(in, -0.1), Error);
  EXPECT_THROW(run_nms(in, std::nan("")), Error);
  in.scores.push_back(1);
  std::vector<int64_t> kept(2);
  EXPECT_THROW(
      cpu::nms({in.boxes.data(), DType::Float32, {1, 4}}, {in.scores.data(), DType::Float32, {2}},
               {}, {}, {kept.data(), DType::Int64, {2}}),
      Error);
}

}  // namespace
}  // namespace kestrel
