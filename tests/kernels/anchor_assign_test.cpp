#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <kestrel/kernels/anchor_assign.h>
#include <kestrel/kernels/parallel.h>
#include <kestrel/tensor/random.h>

namespace kestrel {
namespace {

using BoxList = std::vector<std::array<float, 4>>;

struct Assignment {
  std::vector<int64_t> assigned;
  std::vector<float> max_iou;
};

Assignment assign(const BoxList& anchors, const BoxList& truths, const AssignParams& params,
                  const std::vector<uint8_t>& valid = {}) {
  const auto n = static_cast<int64_t>(anchors.size());
  const auto g = static_cast<int64_t>(truths.size());
  Assignment result{std::vector<int64_t>(anchors.size()), std::vector<float>(anchors.size())};
  cpu::anchor_assign({anchors.data(), DType::Float32, {n, 4}},
                     valid.empty() ? ConstView{} : ConstView{valid.data(), DType::UInt8, {n}},
                     {truths.data(), DType::Float32, {g, 4}}, params,
                     {result.assigned.data(), DType::Int64, {n}},
                     {result.max_iou.data(), DType::Float32, {n}});
  return result;
}

/// A product that the compiler cannot fuse with the sum that follows.
[[gnu::noinline]] float product(float a, float b) {
  return a * b;
}

float iou(const std::array<float, 4>& a, const std::array<float, 4>& b) {
  const float w = std::max(std::min(a[2], b[2]) - std::max(a[0], b[0]), 0.0f);
  const float h = std::max(std::min(a[3], b[3]) - std::max(a[1], b[1]), 0.0f);
  const float inter = product(w, h);
  const float both = product(a[2] - a[0], a[3] - a[1]) + product(b[2] - b[0], b[3] - b[1]) - inter;
  return inter / std::max(both, 1e-6f);
}

/// MMDetection's MaxIoUAssigner, and torchvision's Matcher, as they are written: over the matrix.
Assignment naive(const BoxList& anchors, const BoxList& truths, const AssignParams& params) {
  const size_t n = anchors.size();
  const size_t g = truths.size();
  Assignment r{std::vector<int64_t>(n, -1), std::vector<float>(n, 0.0f)};
  if (g == 0) {
    std::fill(r.assigned.begin(), r.assigned.end(), 0);
    return r;
  }
  if (n == 0) return r;
  std::vector<std::vector<float>> matrix(g, std::vector<float>(n));
  for (size_t t = 0; t < g; ++t) {
    for (size_t i = 0; i < n; ++i) matrix[t][i] = iou(truths[t], anchors[i]);
  }
  std::vector<int64_t> argmax(n, 0);
  for (size_t i = 0; i < n; ++i) {
    for (size_t t = 0; t < g; ++t) {
      if (matrix[t][i] > r.max_iou[i]) {
        r.max_iou[i] = matrix[t][i];
        argmax[i] = static_cast<int64_t>(t);
      }
    }
    const float m = r.max_iou[i];
    if (m >= static_cast<float>(params.neg_iou_lower) &&
        m < static_cast<float>(params.neg_iou_upper)) {
      r.assigned[i] = 0;
    }
    if (m >= static_cast<float>(params.pos_iou_thr)) r.assigned[i] = argmax[i] + 1;
  }
  if (params.low_quality == LowQuality::None) return r;
  for (size_t t = 0; t < g; ++t) {
    const auto best = std::max_element(matrix[t].begin(), matrix[t].end());
    if (params.low_quality == LowQuality::AnchorChooses) {
      for (size_t i = 0; i < n; ++i) {
        if (matrix[t][i] == *best) r.assigned[i] = argmax[i] + 1;
      }
    } else if (*best >= static_cast<float>(params.min_pos_iou)) {
      if (!params.gt_max_assign_all) {
        r.assigned[static_cast<size_t>(best - matrix[t].begin())] = static_cast<int64_t>(t) + 1;
        continue;
      }
      for (size_t i = 0; i < n; ++i) {
        if (matrix[t][i] == *best) r.assigned[i] = static_cast<int64_t>(t) + 1;
      }
    }
  }
  return r;
}

/// Anchors on a grid, as of a detector: many of them tie for a ground truth with whole coordinates.
BoxList grid(int64_t side, float stride, const std::vector<float>& sizes) {
  BoxList anchors;
  for (int64_t y = 0; y < side; ++y) {
    for (int64_t x = 0; x < side; ++x) {
      for (const float s : sizes) {
        const auto cx = static_cast<float>(x) * stride;
        const auto cy = static_cast<float>(y) * stride;
        anchors.push_back({cx - s, cy - s / 2, cx + s, cy + s / 2});
        anchors.push_back({cx - s / 2, cy - s, cx + s / 2, cy + s});
      }
    }
  }
  return anchors;
}

BoxList random_boxes(Philox& random, int64_t n, double extent, bool integers) {
  BoxList boxes;
  for (int64_t i = 0; i < n; ++i) {
    const auto number = [&](double low, double high) {
      const double value = random.uniform(low, high);
      return static_cast<float>(integers ? std::floor(value) : value);
    };
    const float x = number(-5, extent);
    const float y = number(-5, extent);
    boxes.push_back({x, y, x + number(0, extent / 2), y + number(0, extent / 2)});
  }
  return boxes;
}

AssignParams random_params(Philox& random) {
  const AssignParams choices[] = {
      {},
      {.pos_iou_thr = 0.7, .neg_iou_upper = 0.3, .min_pos_iou = 0.3},
      {.pos_iou_thr = 0.5, .neg_iou_upper = 0.5, .low_quality = LowQuality::None},
      {.pos_iou_thr = 0.5, .neg_iou_upper = 0.5, .gt_max_assign_all = false},
      {.low_quality = LowQuality::AnchorChooses},
      {.pos_iou_thr = 0.6, .neg_iou_lower = 0.1, .neg_iou_upper = 0.4, .min_pos_iou = 0.2},
  };
  return choices[random.integer(0, 6)];
}

TEST(AnchorAssign, AgreesWithTheMatrixAlgorithmOnRandomBoxes) {
  Philox random(1);
  for (int round = 0; round < 3000; ++round) {
    const BoxList anchors = random_boxes(random, random.integer(0, 80), 30, round % 2 == 0);
    const BoxList truths = random_boxes(random, random.integer(0, 12), 30, round % 2 == 0);
    const AssignParams params = random_params(random);
    const Assignment got = assign(anchors, truths, params);
    const Assignment want = naive(anchors, truths, params);
    ASSERT_EQ(got.assigned, want.assigned) << "round " << round;
    ASSERT_EQ(got.max_iou, want.max_iou) << "round " << round;
  }
}

TEST(AnchorAssign, AgreesWithTheMatrixAlgorithmOnAGridWithTies) {
  Philox random(2);
  const BoxList anchors = grid(24, 8, {12, 16});  // more than two chunks
  for (int round = 0; round < 60; ++round) {
    const BoxList truths = random_boxes(random, random.integer(0, 20), 190, true);
    const AssignParams params = random_params(random);
    const Assignment got = assign(anchors, truths, params);
    const Assignment want = naive(anchors, truths, params);
    ASSERT_EQ(got.assigned, want.assigned) << "round " << round;
    ASSERT_EQ(got.max_iou, want.max_iou) << "round " << round;
  }
}

TEST(AnchorAssign, DoesNotDependOnTheNumberOfThreads) {
  Philox random(3);
  const BoxList anchors = grid(40, 8, {12, 16});
  const BoxList truths = random_boxes(random, 30, 300, true);
  const int before = num_threads();
  set_num_threads(1);
  const Assignment one = assign(anchors, truths, {});
  set_num_threads(4);
  const Assignment four = assign(anchors, truths, {});
  set_num_threads(before);
  EXPECT_EQ(one.assigned, four.assigned);
  EXPECT_EQ(one.max_iou, four.max_iou);
}

TEST(AnchorAssign, LaterGroundTruthsTakeTiedAnchorsFromEarlierOnes) {
  const BoxList anchors = {{0, 0, 10, 10}, {20, 0, 30, 10}};
  const BoxList twins = {{0, 0, 10, 10}, {0, 0, 10, 10}};
  EXPECT_EQ(assign(anchors, twins, {}).assigned, (std::vector<int64_t>{2, 0}));
  // By threshold alone, and in torchvision, the first one has it.
  EXPECT_EQ(assign(anchors, twins, {.low_quality = LowQuality::None}).assigned,
            (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(assign(anchors, twins, {.low_quality = LowQuality::AnchorChooses}).assigned,
            (std::vector<int64_t>{1, 0}));
}

TEST(AnchorAssign, AGroundTruthTakesAnAnchorThatPrefersAnother) {
  // The anchor overlaps the first by 0.8 and the second, whose best anchor it is, by 0.2.
  const BoxList anchors = {{0, 0, 10, 10}};
  const BoxList truths = {{0, 0, 8, 10}, {8, 0, 10, 10}};
  EXPECT_EQ(assign(anchors, truths, {}).assigned[0], 2);
  EXPECT_EQ(assign(anchors, truths, {.min_pos_iou = 0.3}).assigned[0], 1);
  EXPECT_EQ(assign(anchors, truths, {.low_quality = LowQuality::AnchorChooses}).assigned[0], 1);
}

TEST(AnchorAssign, WithoutAMinimumAGroundTruthFarAwayTakesAllAnchorsItTiesWithAtZero) {
  const BoxList anchors = {{0, 0, 10, 10}, {20, 0, 30, 10}, {40, 0, 50, 10}};
  const BoxList truths = {{1, 0, 11, 10}, {900, 900, 950, 950}};
  EXPECT_EQ(assign(anchors, truths, {}).assigned, (std::vector<int64_t>{2, 2, 2}));
  EXPECT_EQ(assign(anchors, truths, {.min_pos_iou = 1e-6}).assigned,
            (std::vector<int64_t>{1, 0, 0}));
}

TEST(AnchorAssign, WithoutGroundTruthsAllAnchorsAreNegative) {
  const BoxList anchors = {{0, 0, 10, 10}, {20, 0, 30, 10}};
  const Assignment none = assign(anchors, {}, {});
  EXPECT_EQ(none.assigned, (std::vector<int64_t>{0, 0}));
  EXPECT_EQ(none.max_iou, (std::vector<float>{0, 0}));
  EXPECT_TRUE(assign({}, {{0, 0, 1, 1}}, {}).assigned.empty());
}

TEST(AnchorAssign, AnchorsThatAreNotValidCountForNothing) {
  const BoxList anchors = {{0, 0, 10, 10}, {2, 0, 12, 10}, {20, 0, 30, 10}};
  const BoxList truths = {{0, 0, 10, 10}};
  const Assignment r = assign(anchors, truths, {.pos_iou_thr = 0.9}, {0, 1, 1});
  // The second is the best of those that count.
  EXPECT_EQ(r.assigned, (std::vector<int64_t>{-1, 1, 0}));
  EXPECT_EQ(r.max_iou[0], 0.0f);
}

TEST(AnchorAssign, MoreGroundTruthsThanAnchors) {
  Philox random(4);
  const BoxList anchors = {{0, 0, 10, 10}};
  const BoxList truths = random_boxes(random, 50, 20, true);
  EXPECT_EQ(assign(anchors, truths, {}).assigned, naive(anchors, truths, {}).assigned);
}

TEST(AnchorAssign, BoxesThatAreNotFiniteOverlapNothing) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const BoxList anchors = {{0, 0, 10, 10}, {nan, 0, 10, 10}, {20, 0, 30, 10}};
  const BoxList truths = {{nan, 0, 10, 10}, {0, 0, inf, 10}, {0, 0, 10, 10}, {0, 0, 1e30f, 1e30f}};
  const Assignment r = assign(anchors, truths, {});
  EXPECT_EQ(r.assigned, (std::vector<int64_t>{3, -1, 0}));
  EXPECT_EQ(r.max_iou, (std::vector<float>{1, 0, 0}));
}

TEST(AnchorAssign, RefusesWhatDoesNotFit) {
  std::vector<int64_t> assigned(2);
  std::vector<float> numbers(8);
  const View out{assigned.data(), DType::Int64, {2}};
  const View iou_out{numbers.data(), DType::Float32, {2}};
  const ConstView four{numbers.data(), DType::Float32, {2, 4}};
  const ConstView three{numbers.data(), DType::Float32, {2, 3}};
  EXPECT_THROW(cpu::anchor_assign(three, {}, four, {}, out, iou_out), Error);
  EXPECT_THROW(cpu::anchor_assign(four, {}, three, {}, out, iou_out), Error);
}

/// What is left of these anchors beside a box that ignores them.
std::vector<uint8_t> left_of(const BoxList& anchors, const BoxList& ignored, const BoxList& truths,
                             const IgnoreParams& params) {
  std::vector<uint8_t> valid(anchors.size(), 1);
  const auto view = [](const BoxList& boxes) {
    return ConstView{boxes.data(), DType::Float32, {static_cast<int64_t>(boxes.size()), 4}};
  };
  cpu::anchor_ignore(view(anchors), view(ignored), view(truths), params,
                     {valid.data(), DType::UInt8, {static_cast<int64_t>(valid.size())}});
  return valid;
}

TEST(AnchorIgnore, SharesAreOfTheAnchorOrOfTheIgnoredBox) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  // A half of it inside, a bit more, all of it; one that covers the box; a point.
  const BoxList anchors = {
      {5, 0, 15, 10}, {4, 0, 14, 10}, {0, 0, 2, 2}, {-90, -90, 90, 90}, {3, 3, 3, 3}};
  const BoxList ignored = {{nan, 0, 100, 100}, {0, 0, 10, 10}}, truths = {{0, 0, 5, 5}};
  using Flags = std::vector<uint8_t>;
  EXPECT_EQ(left_of(anchors, ignored, truths, {}), (Flags{1, 0, 0, 1, 1}));
  EXPECT_EQ(left_of(anchors, ignored, truths, {.of_anchors = false}), (Flags{1, 0, 1, 0, 1}));
  // Without a ground truth, or an ignored box, all stay.
  EXPECT_EQ(left_of(anchors, ignored, {}, {}), Flags(5, 1));
  EXPECT_EQ(left_of(anchors, ignored, {{nan, nan, nan, nan}}, {}), Flags(5, 1));
  EXPECT_EQ(left_of(anchors, {{nan, 0, 1, 1}}, truths, {}), Flags(5, 1));
  EXPECT_EQ(left_of({}, ignored, truths, {}), Flags());
}

}  // namespace
}  // namespace kestrel
