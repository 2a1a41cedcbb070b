#include <kestrel/kernels/anchor_targets.h>

#include <algorithm>

#include <kestrel/kernels/common/anchor_levels.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel::cpu {
namespace {

constexpr int64_t kGrain = 4096;

}  // namespace

void anchor_flags(ConstView anchors, std::span<const AnchorLevel> all, ConstView image,
                  int64_t allowed_border, View valid) {
  const AnchorLevels levels(all);
  check_anchor_flags(anchors, levels, image, valid);
  const int64_t* sizes = image.as<int64_t>();
  const AnchorImage own{sizes[0], sizes[1], sizes[2], sizes[3]};
  const float* boxes = anchors.as<float>();
  auto* flags = valid.as<uint8_t>();
  parallel_for(valid.numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      flags[i] = anchor_counts(i, boxes + i * 4, levels.of(i), own, allowed_border) ? 1 : 0;
    }
  });
}

void anchor_targets(ConstView assigned, ConstView anchors, ConstView truth_labels,
                    ConstView truth_boxes, std::span<const AnchorLevel> all,
                    const AnchorTargetParams& params, const AnchorTargetViews& targets) {
  const AnchorLevels levels(all);
  check_anchor_targets(assigned, anchors, truth_labels, truth_boxes, levels, params, targets);
  const int64_t n = assigned.numel();
  const int64_t* number = assigned.as<int64_t>();
  const float* boxes = anchors.as<float>();
  const int64_t* classes = truth_labels.as<int64_t>();
  const float* truths = truth_boxes.as<float>();
  const auto count = static_cast<double>(
      std::count_if(number, number + n, [](int64_t assignment) { return assignment > 0; }));
  const double weight = anchor_image_weight(count, params);
  auto* labels = targets.labels.as<int64_t>();
  float* label_weights = targets.label_weights ? targets.label_weights.as<float>() : nullptr;
  float* box_weights = targets.box_weights.as<float>();
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = anchor_row(i, levels.of(i), params);
      const int64_t truth = number[i] - 1;
      const bool positive = truth >= 0;
      const bool counts = number[i] >= 0;
      labels[row] = positive ? classes[truth] : counts ? params.num_classes : -1;
      if (label_weights) {
        const double own = positive ? weight * params.pos_weight : counts ? weight : 0.0;
        label_weights[row] = static_cast<float>(own);
      }
      box_weights[row] = positive ? static_cast<float>(weight) : 0.0f;
      const float* anchor = boxes + i * 4;
      std::copy_n(anchor, 4, targets.anchors.as<float>() + row * 4);
      std::copy_n(positive ? truths + truth * 4 : anchor, 4, targets.boxes.as<float>() + row * 4);
    }
  });
  *targets.positives.as<double>() += std::max(count, 1.0);
}

}  // namespace kestrel::cpu
