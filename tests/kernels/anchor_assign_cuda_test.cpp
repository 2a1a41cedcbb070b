#include <cmath>
#include <limits>

#include <kestrel/kernels/anchor_assign.h>
#include <kestrel/tensor/random.h>

#include "../support/cuda_twin.h"

namespace kestrel::test {
namespace {

const AssignParams kParams[] = {
    {},
    {.pos_iou_thr = 0.7, .neg_iou_upper = 0.3, .min_pos_iou = 0.3},
    {.pos_iou_thr = 0.5, .neg_iou_upper = 0.5, .low_quality = LowQuality::None},
    {.pos_iou_thr = 0.5, .neg_iou_upper = 0.5, .gt_max_assign_all = false},
    {.low_quality = LowQuality::AnchorChooses},
    {.pos_iou_thr = 0.6, .neg_iou_lower = 0.1, .neg_iou_upper = 0.4, .min_pos_iou = 0.2},
    {.pos_iou_thr = 0, .min_pos_iou = 0.1, .gt_max_assign_all = false},
};

/// With whole coordinates many IoUs tie. Some boxes are not finite if `broken`.
Tensor random_boxes(Philox& random, int64_t n, double extent, bool integers, bool broken = false) {
  Tensor boxes = Tensor::empty({n, 4});
  const auto number = [&](double low, double high) {
    const double value = random.uniform(low, high);
    return static_cast<float>(integers ? std::floor(value) : value);
  };
  const float none[] = {std::numeric_limits<float>::quiet_NaN(),
                        std::numeric_limits<float>::infinity(), 1e30f};
  for (int64_t i = 0; i < n; ++i) {
    float* box = boxes.data<float>() + i * 4;
    box[0] = number(-5, extent);
    box[1] = number(-5, extent);
    box[2] = box[0] + number(0, extent / 2);
    box[3] = box[1] + number(0, extent / 2);
    if (broken && random.integer(0, 5) == 0) box[random.integer(0, 4)] = none[random.integer(0, 3)];
  }
  return boxes;
}

class AnchorAssignCuda : public CudaTwin {
 protected:
  static void expect_same(const Tensor& anchors, const Tensor& valid, const Tensor& truths,
                          const AssignParams& params, int64_t shift = 0) {
    const int64_t n = anchors.size(0);
    Tensor want = Tensor::empty({n}, DType::Int64);
    Tensor want_iou = Tensor::empty({n});
    cpu::anchor_assign(anchors.view(), valid.view(), truths.view(), params, want.view(),
                       want_iou.view());
    const Tensor device_anchors = upload(anchors, shift);
    const Tensor device_valid = valid ? upload(valid) : Tensor();
    const Tensor device_truths = upload(truths);
    Tensor got = Tensor::empty({n}, DType::Int64, Device::cuda(0));
    Tensor got_iou = Tensor::empty({n}, DType::Float32, Device::cuda(0));
    gpu::anchor_assign(device_anchors.view(), device_valid.view(), device_truths.view(), params,
                       got.view(), got_iou.view(), stream());
    expect_same_bits(got, want);
    expect_same_bits(got_iou, want_iou);
  }
};

TEST_F(AnchorAssignCuda, AssignsAlikeOnRandomBoxes) {
  Philox random(1);
  for (int round = 0; round < 280; ++round) {
    SCOPED_TRACE(round);
    const bool integers = round % 2 == 0;
    const Tensor anchors =
        random_boxes(random, random.integer(0, 80), 30, integers, round % 3 == 0);
    const Tensor truths = random_boxes(random, random.integer(0, 12), 30, integers, round % 5 == 0);
    Tensor valid;
    if (round % 4 == 0) {
      valid = Tensor::empty({anchors.size(0)}, DType::UInt8);
      for (int64_t i = 0; i < valid.numel(); ++i) {
        valid.data<uint8_t>()[i] = random.integer(0, 4) != 0 ? 1 : 0;
      }
    }
    expect_same(anchors, valid, truths, kParams[round % std::size(kParams)], round % 8 == 1);
  }
}

TEST_F(AnchorAssignCuda, ManyAnchorsAndGroundTruths) {
  Philox random(2);
  // More ground truths than a block stages at a time.
  for (const AssignParams& params : kParams) {
    expect_same(random_boxes(random, 600, 100, true), {}, random_boxes(random, 140, 100, true),
                params);
  }
}

TEST_F(AnchorAssignCuda, GroundTruthsThatShareTheirFirstAnchor) {
  // All take the one anchor there is: the last has it.
  Philox random(3);
  const Tensor anchor = Tensor::from<float>({0, 0, 10, 10}, {1, 4});
  expect_same(anchor, {}, random_boxes(random, 50, 20, true), {.gt_max_assign_all = false});
  expect_same(anchor, {}, random_boxes(random, 50, 20, true), {});
}

TEST_F(AnchorAssignCuda, NoAnchorsAndNoGroundTruths) {
  Philox random(4);
  for (const AssignParams& params : kParams) {
    expect_same(Tensor::empty({0, 4}), {}, random_boxes(random, 3, 20, true), params);
    expect_same(random_boxes(random, 3, 20, true), {}, Tensor::empty({0, 4}), params);
    expect_same(random_boxes(random, 3, 20, true), {},
                Tensor::full({2, 4}, std::numeric_limits<double>::quiet_NaN()), params);
  }
}

TEST_F(AnchorAssignCuda, IgnoresAlike) {
  Philox random(6);
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    const bool broken = round % 3 == 0;
    const Tensor anchors = random_boxes(random, random.integer(0, 80), 30, true, broken);
    const Tensor ignored = random_boxes(random, random.integer(0, 5), 60, true, broken);
    const Tensor truths = random_boxes(random, random.integer(0, 3), 30, true, broken);
    const IgnoreParams params{.threshold = 0.5, .of_anchors = round % 2 == 0};
    Tensor want = Tensor::full({anchors.size(0)}, 1, DType::UInt8);
    cpu::anchor_ignore(anchors.view(), ignored.view(), truths.view(), params, want.view());
    Tensor got = upload(Tensor::full({anchors.size(0)}, 1, DType::UInt8));
    const Tensor a = upload(anchors), i = upload(ignored), t = upload(truths);
    gpu::anchor_ignore(a.view(), i.view(), t.view(), params, got.view(), stream());
    expect_same_bits(got, want);
  }
}

TEST_F(AnchorAssignCuda, DoesNotDependOnBlockOrSchedule) {
  Philox random(5);
  const Tensor anchors = random_boxes(random, 200, 60, true);
  const Tensor truths = random_boxes(random, 20, 60, true);
  for_each_setting([&] {
    for (const AssignParams& params : kParams) expect_same(anchors, {}, truths, params);
  });
}

}  // namespace
}  // namespace kestrel::test
