#include <cmath>
#include <limits>

#include <kestrel/kernels/candidate_select.h>

#include "../support/cuda_twin.h"
#include "../support/random.h"

namespace kestrel::test {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

class CandidateSelectCuda : public CudaTwin {
 protected:
  static void expect_same_pairs(const Tensor& logits, float threshold, int64_t most,
                                int64_t shift = 0) {
    SCOPED_TRACE(::testing::Message()
                 << logits.numel() << " logits above " << threshold << ", " << most << " at most");
    Tensor want = Tensor::empty({most}, DType::Int64);
    Tensor want_values = Tensor::empty({most});
    Tensor found = Tensor::empty({1}, DType::Int64);
    cpu::select_above(logits.view(), threshold, want.view(), want_values.view(), found.view());
    const int64_t count = found.item<int64_t>();
    const Tensor x = upload(logits, shift);
    Tensor got = Tensor::empty({most}, DType::Int64, Device::cuda(0));
    Tensor got_values = Tensor::empty({most}, DType::Float32, Device::cuda(0));
    Tensor got_found = Tensor::empty({1}, DType::Int64, Device::cuda(0));
    gpu::select_above(x.view(), threshold, got.view(), got_values.view(), got_found.view(),
                      stream());
    ASSERT_EQ(got_found.to(Device::cpu()).item<int64_t>(), count);
    expect_same_bits(got.slice(0, count), want.slice(0, count));
    expect_same_bits(got_values.slice(0, count), want_values.slice(0, count));
  }

  static void expect_same_rows(const Tensor& logits, int64_t most) {
    SCOPED_TRACE(::testing::Message() << most << " rows of " << logits.shape());
    Tensor want = Tensor::empty({most}, DType::Int64);
    cpu::select_rows(logits.view(), want.view());
    const Tensor x = upload(logits);
    Tensor got = Tensor::empty({most}, DType::Int64, Device::cuda(0));
    gpu::select_rows(x.view(), got.view(), stream());
    expect_same_bits(got, want);
  }
};

/// Whole numbers, which tie; some are NaN, and zeros have both signs.
Tensor ties(const Shape& shape, uint64_t seed) {
  Tensor tensor = random_normal(shape, DType::Float32, seed, 0, 2);
  float* x = tensor.data<float>();
  for (int64_t i = 0; i < tensor.numel(); ++i) x[i] = std::trunc(x[i]);
  for (int64_t i = 0; i < tensor.numel(); i += 17) x[i] = static_cast<float>(kNan);
  return tensor;
}

// Up to 4096 candidates are collected and sorted by one block; of more, a histogram finds the best.
TEST_F(CandidateSelectCuda, FindsTheSameLogits) {
  for (const DType dtype : {DType::Float32, DType::BFloat16}) {
    for (const int64_t n : {0, 1, 100, 4097, 6000}) {
      const Tensor logits = random_normal({n}, dtype, static_cast<uint64_t>(n), -1);
      for (const int64_t most : {0, 1, 300}) expect_same_pairs(logits, -0.5f, most);
    }
  }
}

TEST_F(CandidateSelectCuda, TiesGoByPosition) {
  for (const DType dtype : {DType::Float32, DType::BFloat16}) {
    const Tensor logits = ties({5001}, 3).to(dtype);
    expect_same_pairs(logits, 0.5f, 100, 1);
    expect_same_pairs(logits, kLowest, 4100);
  }
  // All are equal: the bound is found at the last digit of the position.
  expect_same_pairs(Tensor::full({4200}, 0.25), 0, 10);
  expect_same_pairs(Tensor::full({4200}, 0.25), 0.25f, 10);
  expect_same_pairs(Tensor::full({20}, kNan), kLowest, 10);
}

TEST_F(CandidateSelectCuda, MoreThanOneBlockSorts) {
  const Tensor logits = random_normal({4200}, DType::Float32, 5, -1);
  expect_same_pairs(logits, kLowest, 4150);
  expect_same_pairs(logits, kLowest, 4200);
  expect_same_pairs(logits, 1.5f, 4200);
}

TEST_F(CandidateSelectCuda, RanksTheSameRows) {
  for (const DType dtype : {DType::Float32, DType::BFloat16}) {
    for (const Shape& shape :
         {Shape{0, 3}, Shape{5, 0}, Shape{7, 1}, Shape{33, 3}, Shape{40, 80}, Shape{5000, 2}}) {
      expect_same_rows(random_normal(shape, dtype, 6, -1), shape[0]);
      expect_same_rows(ties(shape, 7).to(dtype), (shape[0] + 2) / 3);
    }
  }
}

TEST_F(CandidateSelectCuda, MakesTheSameCandidates) {
  for (const int64_t n : {0, 1, 33, 1000}) {
    Tensor boxes = random_normal({n, 4}, DType::Float32, 10, 0, 50);
    for (int64_t i = 0; i < boxes.numel(); i += 7)
      boxes.data<float>()[i] = static_cast<float>(kNan);
    const Tensor logits = random_normal({n}, DType::Float32, 11, 0);
    const CandidateParams params{2, 0.5f, 0.25f};
    Tensor want = Tensor::empty_like(boxes), want_scores = Tensor::empty_like(logits);
    cpu::score_candidates(boxes.view(), logits.view(), params, want.view(), want_scores.view());
    for (const int64_t shift : {0, 1}) {
      const Tensor x = upload(boxes, shift), y = upload(logits);
      Tensor got = Tensor::empty_like(x), got_scores = Tensor::empty_like(y);
      gpu::score_candidates(x.view(), y.view(), params, got.view(), got_scores.view(), stream());
      expect_same_bits(got, want);
      const Tensor scores = got_scores.to(Device::cpu());
      for (int64_t i = 0; i < n; ++i) {
        EXPECT_NEAR(scores.data<float>()[i], want_scores.data<float>()[i], 1e-6) << i;
      }
    }
  }
}

TEST_F(CandidateSelectCuda, SplitsTheSamePositions) {
  const Tensor positions = Tensor::from<int64_t>({0, 79, 80, 81, 16127999, 5}, {6});
  Tensor want = Tensor::empty_like(positions), want_classes = Tensor::empty_like(positions);
  cpu::split_positions(positions.view(), 80, want.view(), want_classes.view());
  EXPECT_EQ(want.data<int64_t>()[4], 201599);
  EXPECT_EQ(want_classes.data<int64_t>()[4], 79);
  const Tensor x = upload(positions);
  Tensor got = Tensor::empty_like(x), got_classes = Tensor::empty_like(x);
  gpu::split_positions(x.view(), 80, got.view(), got_classes.view(), stream());
  expect_same_bits(got, want);
  expect_same_bits(got_classes, want_classes);
}

TEST_F(CandidateSelectCuda, DoesNotDependOnBlockOrSchedule) {
  const Tensor logits = ties({5000}, 8);
  for_each_setting([&] {
    expect_same_pairs(logits, -0.5f, 50);
    expect_same_rows(logits.reshape({500, 10}), 70);
  });
}

TEST_F(CandidateSelectCuda, RefusesWhatDoesNotFit) {
  Tensor two = Tensor::empty({2}, DType::Int64), three = Tensor::empty({3});
  Tensor logits = random_normal({1, 5}, DType::Float32, 9, -1);
  EXPECT_THROW(gpu::select_above(logits.view(), 0, two.view(), three.view(), two.slice(0, 1).view(),
                                 stream()),
               Error);
  EXPECT_THROW(gpu::select_above(logits.view(), 0, two.view(), three.slice(0, 2).view(), two.view(),
                                 stream()),
               Error);
  EXPECT_THROW(gpu::split_positions(two.view(), 0, two.view(), two.view(), stream()), Error);
  EXPECT_THROW(
      gpu::score_candidates(logits.view(), three.view(), {}, logits.view(), three.view(), stream()),
      Error);
  EXPECT_THROW(gpu::select_rows(logits.view(), two.view(), stream()), Error);
}

}  // namespace
}  // namespace kestrel::test
