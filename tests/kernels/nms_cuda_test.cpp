#include <cmath>

#include <kestrel/kernels/nms.h>
#include <kestrel/tensor/random.h>

#include "../support/cuda_twin.h"
#include "../support/random.h"

namespace kestrel::test {
namespace {

struct ScoredBoxes {
  Tensor boxes, scores, classes;
};

/// Boxes that overlap; with whole coordinates and few scores, many tie.
ScoredBoxes random_boxes(Philox& random, int64_t n, bool ties) {
  ScoredBoxes r{Tensor::empty({n, 4}), Tensor::empty({n}), Tensor::empty({n}, DType::Int64)};
  const double extent = 4 * std::sqrt(static_cast<double>(n)) + 10;
  const auto number = [&](double low, double high) {
    const double value = random.uniform(low, high);
    return static_cast<float>(ties ? std::floor(value) : value);
  };
  for (int64_t i = 0; i < n; ++i) {
    float* box = r.boxes.data<float>() + i * 4;
    box[0] = number(-5, extent);
    box[1] = number(-5, extent);
    box[2] = box[0] + number(0, 30);
    box[3] = box[1] + number(0, 30);
    r.scores.data<float>()[i] = ties ? number(0, 5) : number(-1, 1);
    r.classes.data<int64_t>()[i] = random.integer(-2, 2);
  }
  return r;
}

std::vector<int64_t> values(const Tensor& kept, int64_t count) {
  const Tensor host = kept.to(Device::cpu());
  return {host.data<int64_t>(), host.data<int64_t>() + count};
}

class NmsCuda : public CudaTwin {
 protected:
  static void expect_same(const ScoredBoxes& in, const NmsParams& params, bool by_class,
                          int64_t shift = 0) {
    const int64_t n = in.scores.numel();
    Tensor want = Tensor::empty({n}, DType::Int64);
    const int64_t count = cpu::nms(in.boxes.view(), in.scores.view(),
                                   by_class ? in.classes.view() : ConstView{}, params, want.view());
    const Tensor boxes = upload(in.boxes, shift);
    const Tensor scores = upload(in.scores);
    const Tensor classes = upload(in.classes);
    Tensor got = Tensor::empty({n}, DType::Int64, Device::cuda(0));
    ASSERT_EQ(gpu::nms(boxes.view(), scores.view(), by_class ? classes.view() : ConstView{}, params,
                       got.view(), stream()),
              count);
    if (count > 0) {
      EXPECT_EQ(values(got.slice(0, count), count), values(want, count));
    }
  }
};

TEST_F(NmsCuda, KeepsTheSameBoxes) {
  Philox random(1);
  // Chunks hold 1024 boxes; more than 4096 scores are sorted by several blocks.
  for (const int64_t n : {0, 1, 2, 31, 33, 300, 1024, 1030, 4100}) {
    SCOPED_TRACE(n);
    expect_same(random_boxes(random, n, false), {random.uniform(0.05, 0.8)}, true);
    expect_same(random_boxes(random, n, true), {random.uniform(0.05, 0.8)}, false, 1);
  }
}

TEST_F(NmsCuda, AtThresholdsOfAllKinds) {
  Philox random(2);
  const ScoredBoxes in = random_boxes(random, 200, true);
  for (const double threshold : {0.0, 1e-3, 0.5, 1.0, 2.0}) expect_same(in, {threshold}, true);
}

TEST_F(NmsCuda, StopsAtTheLimit) {
  Philox random(3);
  const ScoredBoxes in = random_boxes(random, 2060, false);
  for (const int64_t most : {0, 40, 900, 5000}) expect_same(in, {0.3, most}, true);
}

TEST_F(NmsCuda, OfChainsThatSuppressInTurn) {
  // Each box overlaps the next one alone: every second is kept, settled one after the other.
  ScoredBoxes in{Tensor::empty({1100, 4}), Tensor::empty({1100}),
                 Tensor::zeros({1100}, DType::Int64)};
  for (int64_t i = 0; i < 1100; ++i) {
    const auto x = static_cast<float>(i * 6);
    const float box[] = {x, 0, x + 10, 10};
    std::copy_n(box, 4, in.boxes.data<float>() + i * 4);
    in.scores.data<float>()[i] = static_cast<float>(-i);
  }
  expect_same(in, {0.2}, true);
}

TEST_F(NmsCuda, OfBoxesThatAreNone) {
  ScoredBoxes in;
  in.boxes =
      Tensor::from<float>({0,    0,  10, 10, 0,     0, 10, 10, kNan, 0,    10,   10,  0,     0,
                           kInf, 10, 5,  5,  5,     5, 10, 10, 0,    0,    0,    0,   1e30f, 1e30f,
                           0,    0,  10, 9,  -kInf, 0, 10, 10, kNan, kNan, kNan, kNan},
                          {10, 4});
  in.scores = Tensor::from<float>({1, kNan, 2, kInf, -kInf, 0, -0.0f, 0.5f, kNan, 3}, {10});
  in.classes = Tensor::zeros({10}, DType::Int64);
  expect_same(in, {0.5}, true);
  expect_same(in, {0.5}, false);
}

TEST_F(NmsCuda, DoesNotDependOnBlockOrSchedule) {
  Philox random(4);
  const ScoredBoxes in = random_boxes(random, 1050, true);
  for_each_setting([&] { expect_same(in, {0.4}, true); });
}

TEST_F(NmsCuda, RefusesWhatDoesNotFit) {
  Philox random(5);
  const ScoredBoxes in = random_boxes(random, 3, false);
  Tensor kept = Tensor::empty({2}, DType::Int64);
  EXPECT_THROW(gpu::nms(in.boxes.view(), in.scores.view(), {}, {}, kept.view(), stream()), Error);
}

}  // namespace
}  // namespace kestrel::test
