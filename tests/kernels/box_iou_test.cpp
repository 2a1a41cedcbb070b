#include <kestrel/kernels/box_iou.h>

#include <algorithm>
#include <cmath>

#include <kestrel/tensor/random.h>
#include <kestrel/tensor/safetensors.h>

#include "../support/cuda_twin.h"
#include "../support/random.h"

namespace kestrel::test {
namespace {

constexpr BoxOverlap kKinds[] = {BoxOverlap::IoU, BoxOverlap::IoF, BoxOverlap::GIoU};

Tensor random_boxes(int64_t count, DType dtype, uint64_t seed) {
  Tensor boxes = Tensor::empty({count, 4}, DType::Float64);
  Philox random(seed);
  for (int64_t i = 0; i < count; ++i) {
    double* box = boxes.data<double>() + 4 * i;
    for (int k = 0; k < 2; ++k) {
      box[k] = random.uniform(-20, 60);
      box[k + 2] = box[k] + random.uniform(0, 50);
    }
  }
  return boxes.to(dtype);
}

Tensor overlaps(const Tensor& a, const Tensor& b, const BoxIouParams& params) {
  Tensor out = Tensor::empty({a.size(0), b.size(0)}, a.dtype());
  cpu::box_iou(a.view(), b.view(), params, out.view());
  return out;
}

/// The definition, for boxes that are proper.
double expected(const double* a, const double* b, const BoxIouParams& params) {
  const auto area = [](const double* box) { return (box[2] - box[0]) * (box[3] - box[1]); };
  const double w = std::max(0.0, std::min(a[2], b[2]) - std::max(a[0], b[0]));
  const double h = std::max(0.0, std::min(a[3], b[3]) - std::max(a[1], b[1]));
  const double whole = area(a) + area(b) - w * h;
  if (params.kind == BoxOverlap::IoF) return w * h / std::max(area(a), params.eps);
  const double iou = w * h / std::max(whole, params.eps);
  if (params.kind == BoxOverlap::IoU) return iou;
  const double hull = std::max(params.eps, (std::max(a[2], b[2]) - std::min(a[0], b[0])) *
                                               (std::max(a[3], b[3]) - std::min(a[1], b[1])));
  return iou - (hull - std::max(whole, params.eps)) / hull;
}

void expect_expected(const Tensor& a, const Tensor& b, const BoxIouParams& params,
                     double tolerance) {
  const Tensor got = overlaps(a, b, params).to(DType::Float64);
  const Tensor wide_a = a.to(DType::Float64), wide_b = b.to(DType::Float64);
  for (int64_t i = 0; i < a.size(0); ++i) {
    for (int64_t j = 0; j < b.size(0); ++j) {
      EXPECT_NEAR(got.data<double>()[i * b.size(0) + j],
                  expected(wide_a.data<double>() + 4 * i, wide_b.data<double>() + 4 * j, params),
                  tolerance)
          << i << ", " << j;
    }
  }
}

TEST(BoxIou, IsTheDefinition) {
  for (const BoxOverlap kind : kKinds) {
    for (const auto& [rows, columns] : {std::pair{0, 3}, {3, 0}, {1, 1}, {7, 33}, {260, 70}}) {
      SCOPED_TRACE(::testing::Message()
                   << static_cast<int>(kind) << ": " << rows << " x " << columns);
      expect_expected(random_boxes(rows, DType::Float64, 1),
                      random_boxes(columns, DType::Float64, 2), {kind}, 1e-12);
      // Areas of up to 2500 square pixels lose some 1e-4 of a square pixel.
      expect_expected(random_boxes(rows, DType::Float32, 1),
                      random_boxes(columns, DType::Float32, 2), {kind}, 1e-4);
    }
  }
}

TEST(BoxIou, IsTorchvisions) {
  const Safetensors golden =
      read_safetensors(KESTREL_TEST_DIR "/golden/data/ops_box_iou.safetensors");
  const auto tensor = [&](const std::string& name) {
    const auto found = std::ranges::find(golden.tensors, "boxes/" + name,
                                         [](const auto& entry) { return entry.first; });
    return found->second;
  };
  for (const auto& [kind, name] :
       {std::pair{BoxOverlap::IoU, "iou"}, std::pair{BoxOverlap::GIoU, "giou"}}) {
    const Tensor got = overlaps(tensor("a"), tensor("b"), {kind}), want = tensor(name);
    ASSERT_EQ(got.shape(), want.shape());
    for (int64_t i = 0; i < got.numel(); ++i) {
      EXPECT_NEAR(got.data<double>()[i], want.data<double>()[i], 1e-12) << name << ' ' << i;
    }
  }
}

TEST(BoxIou, IsSymmetricButForTheForeground) {
  const Tensor a = random_boxes(20, DType::Float32, 3), b = random_boxes(30, DType::Float32, 4);
  for (const BoxOverlap kind : {BoxOverlap::IoU, BoxOverlap::GIoU}) {
    const Tensor there = overlaps(a, b, {kind}), back = overlaps(b, a, {kind});
    for (int64_t i = 0; i < 20; ++i) {
      for (int64_t j = 0; j < 30; ++j) {
        EXPECT_EQ(there.data<float>()[i * 30 + j], back.data<float>()[j * 20 + i]);
      }
    }
  }
}

/// Two proper boxes, then some that are points, lines, or no boxes.
Tensor odd_boxes() {
  return Tensor::from<double>(
      {0,    0, 10, 10, 5, 0, 15,   10, 3, 3, 3, 3,     0, 5, 10, 5, 10,   0, 0,     10,
       kNan, 0, 10, 10, 0, 0, kInf, 9,  0, 0, 9, -kInf, 0, 0, 0,  0, 1e30, 0, 2e160, 1e160},
      {10, 4});
}

TEST(BoxIou, OfBoxesThatAreNone) {
  for (const BoxOverlap kind : kKinds) {
    SCOPED_TRACE(static_cast<int>(kind));
    const Tensor boxes = odd_boxes();
    const Tensor got = overlaps(boxes, boxes, {kind});
    const auto at = [&](int64_t i, int64_t j) { return got.data<double>()[i * 10 + j]; };
    EXPECT_EQ(at(0, 0), 1);
    EXPECT_EQ(at(2, 2), 0);  // A point covers nothing, nor is it covered.
    for (int64_t i = 0; i < 10; ++i) {
      for (int64_t j = 0; j < 10; ++j) {
        const auto usable = [](int64_t k) { return k < 5 || k == 8; };
        EXPECT_EQ(std::isfinite(at(i, j)), usable(i) && usable(j)) << i << ", " << j;
        EXPECT_EQ(std::isnan(at(i, j)), !(usable(i) && usable(j))) << i << ", " << j;
      }
    }
  }
  const Tensor point = Tensor::zeros({1, 4});
  EXPECT_TRUE(std::isnan(overlaps(point, point, {.eps = 0}).item<float>()));
}

TEST(BoxIou, RefusesWhatDoesNotFit) {
  const Tensor a = random_boxes(3, DType::Float32, 1), b = random_boxes(2, DType::Float32, 2);
  Tensor out = Tensor::empty({3, 2}), turned = Tensor::empty({2, 3});
  EXPECT_THROW(cpu::box_iou(a.view(), b.view(), {}, turned.view()), Error);
  EXPECT_THROW(cpu::box_iou(a.view(), b.to(DType::Float64).view(), {}, out.view()), Error);
  EXPECT_THROW(cpu::box_iou(a.reshape({4, 3}).view(), b.view(), {}, out.view()), Error);
  EXPECT_THROW(cpu::box_iou(a.view(), b.view(), {.eps = -1}, out.view()), Error);
}

class BoxIouCuda : public CudaTwin {
 protected:
  static void expect_same(const Tensor& a, const Tensor& b, int64_t shift) {
    for (const BoxOverlap kind : kKinds) {
      SCOPED_TRACE(static_cast<int>(kind));
      const Tensor cuda_a = upload(a, shift), cuda_b = upload(b);
      Tensor got = Tensor::empty({a.size(0), b.size(0)}, a.dtype(), Device::cuda(0));
      gpu::box_iou(cuda_a.view(), cuda_b.view(), {kind}, got.view(), stream());
      expect_same_bits(got, overlaps(a, b, {kind}));
    }
  }
};

TEST_F(BoxIouCuda, AgreesWithTheCpuToTheBit) {
  for (const DType dtype : {DType::Float32, DType::Float64}) {
    for (const auto& [rows, columns] : {std::pair{0, 3}, {3, 0}, {1, 1}, {9, 33}, {70, 300}}) {
      expect_same(random_boxes(rows, dtype, 1), random_boxes(columns, dtype, 2), 0);
    }
    expect_same(random_boxes(17, dtype, 1), random_boxes(5, dtype, 2), 1);
  }
}

TEST_F(BoxIouCuda, OfBoxesThatAreNone) {
  const Tensor boxes = odd_boxes();
  const Tensor cuda = upload(boxes);
  Tensor got = Tensor::empty({10, 10}, DType::Float64, Device::cuda(0));
  for (const BoxOverlap kind : kKinds) {
    gpu::box_iou(cuda.view(), cuda.view(), {kind}, got.view(), stream());
    const Tensor host = got.to(Device::cpu()), want = overlaps(boxes, boxes, {kind});
    for (int64_t i = 0; i < 100; ++i) {
      const double g = host.data<double>()[i], w = want.data<double>()[i];
      EXPECT_TRUE(g == w || (std::isnan(g) && std::isnan(w))) << i << ": " << g << ", " << w;
    }
  }
}

TEST_F(BoxIouCuda, DoesNotDependOnBlockOrSchedule) {
  const Tensor a = random_boxes(19, DType::Float32, 5), b = random_boxes(40, DType::Float32, 6);
  for_each_setting([&] { expect_same(a, b, 0); });
}

}  // namespace
}  // namespace kestrel::test
