#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include <kestrel/kernels/anchor_targets.h>
#include <kestrel/tensor/random.h>

#include "../support/on_device.h"

namespace kestrel::test {
namespace {

class AnchorTargets : public OnDevice {
 protected:
  static std::vector<uint8_t> flags(const Tensor& anchors, const std::vector<AnchorLevel>& levels,
                                    const std::vector<int64_t>& image, int64_t border) {
    Tensor valid = Tensor::empty({anchors.size(0)}, DType::UInt8, device());
    run(device(), cpu::anchor_flags, gpu::anchor_flags, anchors.to(device()).cview(),
        std::span<const AnchorLevel>(levels), Tensor::from(image, {4}).to(device()).cview(), border,
        valid.view());
    const Tensor host = valid.to(Device::cpu());
    return {host.values<uint8_t>().begin(), host.values<uint8_t>().end()};
  }
};

/// Anchors of one size, one per cell, centred on multiples of the stride.
Tensor squares(const AnchorLevel& level, float side) {
  Tensor anchors = Tensor::empty({level.size(), 4});
  for (int64_t i = 0; i < level.size(); ++i) {
    const auto x = static_cast<float>(i % level.width * level.stride);
    const auto y = static_cast<float>(i / level.width * level.stride);
    const float corners[] = {x - side / 2, y - side / 2, x + side / 2, y + side / 2};
    std::copy_n(corners, 4, anchors.data<float>() + i * 4);
  }
  return anchors;
}

TEST_P(AnchorTargets, CellsBeyondTheImagesOwnPaddingDoNotCount) {
  const AnchorLevel level{.height = 4, .width = 4, .per_cell = 1, .stride = 8};
  const Tensor anchors = squares(level, 32);
  EXPECT_EQ(flags(anchors, {level}, {32, 32, 32, 32}, -1), std::vector<uint8_t>(16, 1));
  // ceil(17 / 8) = 3 columns.
  const std::vector<uint8_t> got = flags(anchors, {level}, {32, 17, 32, 17}, -1);
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(got[i], i % 4 < 3) << i;
}

TEST_P(AnchorTargets, AnAllowedBorderKeepsAnchorsInsideTheContent) {
  const AnchorLevel level{.height = 2, .width = 4, .per_cell = 1, .stride = 8};
  // Row 0 reaches above the image; columns are centred at 0, 8, 16, 24, and 24 + 4 is not < 28.
  EXPECT_EQ(flags(squares(level, 8), {level}, {16, 32, 16, 28}, 0),
            (std::vector<uint8_t>{0, 0, 0, 0, 0, 1, 1, 0}));
}

TEST_P(AnchorTargets, FlagsKnowTheirLevelAndTheAnchorsOfACell) {
  const std::vector<AnchorLevel> levels{
      {.begin = 0, .height = 2, .width = 2, .per_cell = 3, .stride = 8},
      {.begin = 12, .height = 1, .width = 2, .per_cell = 3, .stride = 16}};
  // One column of the first level and one of the second begin within 8 pixels.
  EXPECT_EQ(flags(Tensor::zeros({18, 4}), levels, {16, 8, 16, 8}, -1),
            (std::vector<uint8_t>{1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0}));
}

/// Two images, two levels; every row against the rule in words.
TEST_P(AnchorTargets, RowsAreByLevelThenImageThenAnchor) {
  const std::vector<AnchorLevel> levels{
      {.begin = 0, .height = 40, .width = 60, .per_cell = 3, .stride = 8},
      {.begin = 7200, .height = 20, .width = 30, .per_cell = 3, .stride = 16}};
  constexpr int64_t kAnchors = 9000, kImages = 2, kObjects = 5, kClasses = 4;
  Philox random(3);
  Tensor anchors = Tensor::empty({kAnchors, 4});
  for (float& v : std::span(anchors.data<float>(), kAnchors * 4)) {
    v = static_cast<float>(random.uniform(0, 99));
  }
  for (const bool per_image : {false, true}) {
    SCOPED_TRACE(per_image);
    const int64_t rows = kAnchors * kImages;
    Tensor labels = Tensor::empty({rows}, DType::Int64, device());
    Tensor label_weights = Tensor::empty({rows}, DType::Float32, device());
    Tensor row_anchors = Tensor::empty({rows, 4}, DType::Float32, device());
    Tensor row_boxes = Tensor::empty({rows, 4}, DType::Float32, device());
    Tensor box_weights = Tensor::empty({rows}, DType::Float32, device());
    Tensor positives = Tensor::zeros({}, DType::Float64, device());
    const AnchorTargetViews views{labels.view(),    label_weights.view(), row_anchors.view(),
                                  row_boxes.view(), box_weights.view(),   positives.view()};
    std::vector<Tensor> assignments, classes, truths;
    double total = 0;
    std::vector<double> counts;
    for (int64_t image = 0; image < kImages; ++image) {
      Tensor assigned = Tensor::empty({kAnchors}, DType::Int64);
      for (int64_t& v : std::span(assigned.data<int64_t>(), kAnchors)) {
        // The second image has no positive.
        v = random.integer(-1, image == 0 ? kObjects + 1 : 1);
      }
      Tensor own_classes = Tensor::empty({kObjects}, DType::Int64);
      Tensor boxes = Tensor::empty({kObjects, 4});
      for (int64_t k = 0; k < kObjects; ++k) own_classes.data<int64_t>()[k] = k % kClasses;
      for (int64_t k = 0; k < kObjects * 4; ++k) boxes.data<float>()[k] = static_cast<float>(k);
      run(device(), cpu::anchor_targets, gpu::anchor_targets, assigned.to(device()).cview(),
          anchors.to(device()).cview(), own_classes.to(device()).cview(),
          boxes.to(device()).cview(), std::span<const AnchorLevel>(levels),
          AnchorTargetParams{.num_classes = kClasses,
                             .pos_weight = 3,
                             .image = image,
                             .images = kImages,
                             .per_image = per_image},
          views);
      const auto values = assigned.values<int64_t>();
      counts.push_back(std::max(1.0, static_cast<double>(std::ranges::count_if(
                                         values, [](int64_t v) { return v > 0; }))));
      total += counts.back();
      assignments.push_back(assigned);
      classes.push_back(own_classes);
      truths.push_back(boxes);
    }
    EXPECT_EQ(positives.item<double>(), total);
    EXPECT_GT(total, 1000);
    for (Tensor* tensor : {&labels, &label_weights, &row_anchors, &row_boxes, &box_weights}) {
      *tensor = tensor->to(Device::cpu());
    }
    int64_t row = 0;
    for (const AnchorLevel& level : levels) {
      for (size_t image = 0; image < kImages; ++image) {
        const double weight = per_image ? 1 / (counts[image] * kImages) : 1;
        for (int64_t i = level.begin; i < level.begin + level.size(); ++i, ++row) {
          const int64_t number = assignments[image].data<int64_t>()[i];
          const float* box = number > 0 ? truths[image].data<float>() + (number - 1) * 4
                                        : anchors.data<float>() + i * 4;
          ASSERT_EQ(labels.data<int64_t>()[row], number > 0
                                                     ? classes[image].data<int64_t>()[number - 1]
                                                 : number == 0 ? kClasses
                                                               : -1);
          const double label_weight = number > 0 ? 3 * weight : number == 0 ? weight : 0;
          ASSERT_EQ(label_weights.data<float>()[row], static_cast<float>(label_weight));
          ASSERT_EQ(box_weights.data<float>()[row], number > 0 ? static_cast<float>(weight) : 0.0f);
          for (int64_t k = 0; k < 4; ++k) {
            ASSERT_EQ(row_anchors.data<float>()[row * 4 + k], anchors.data<float>()[i * 4 + k]);
            ASSERT_EQ(row_boxes.data<float>()[row * 4 + k], box[k]);
          }
        }
      }
    }
  }
}

TEST_P(AnchorTargets, RefuseWhatDoesNotFit) {
  const std::vector<AnchorLevel> levels{{.height = 2, .width = 2, .per_cell = 1, .stride = 8}};
  EXPECT_THROW(flags(Tensor::zeros({5, 4}), levels, {8, 8, 8, 8}, -1), Error);
  EXPECT_THROW(flags(Tensor::zeros({0, 4}), std::vector<AnchorLevel>(17), {8, 8, 8, 8}, -1), Error);
}

KESTREL_ON_DEVICES(AnchorTargets);

}  // namespace
}  // namespace kestrel::test
