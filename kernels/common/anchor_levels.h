#pragma once

#include <kestrel/kernels/anchor_targets.h>
#include <kestrel/kernels/common/host_device.h>

/// The maths of anchor_flags and anchor_targets that both devices share.
namespace kestrel {

/// The levels of a pyramid as a kernel argument.
struct AnchorLevels {
  AnchorLevel level[kMaxAnchorLevels];
  int64_t count = 0;

  explicit AnchorLevels(std::span<const AnchorLevel> levels)
      : count(static_cast<int64_t>(levels.size())) {
    KESTREL_CHECK(count <= kMaxAnchorLevels, "[anchor_targets] at most ", kMaxAnchorLevels,
                  " levels, got ", count);
    for (size_t i = 0; i < levels.size(); ++i) level[i] = levels[i];
  }

  int64_t anchors() const {
    int64_t total = 0;
    for (int64_t i = 0; i < count; ++i) total += level[i].size();
    return total;
  }
  /// The level that an anchor is of.
  KESTREL_HOST_DEVICE const AnchorLevel& of(int64_t anchor) const {
    int64_t i = 0;
    while (i + 1 < count && anchor >= level[i + 1].begin) ++i;
    return level[i];
  }
};

/// Sizes of an image in pixels.
struct AnchorImage {
  int64_t pad_height, pad_width, height, width;
};

/// `box` is x1, y1, x2, y2.
KESTREL_HOST_DEVICE inline bool anchor_counts(int64_t anchor, const float* box,
                                              const AnchorLevel& level, const AnchorImage& image,
                                              int64_t allowed_border) {
  const int64_t cell = (anchor - level.begin) / level.per_cell;
  const int64_t row = cell / level.width;
  const int64_t column = cell - row * level.width;
  if (row * level.stride >= image.pad_height || column * level.stride >= image.pad_width) {
    return false;
  }
  if (allowed_border < 0) return true;
  const auto border = static_cast<float>(allowed_border);
  return box[0] >= -border && box[1] >= -border &&
         box[2] < static_cast<float>(image.width) + border &&
         box[3] < static_cast<float>(image.height) + border;
}

/// Weight of every row of an image.
KESTREL_HOST_DEVICE inline double anchor_image_weight(double positives,
                                                      const AnchorTargetParams& params) {
  if (!params.per_image) return 1;
  return 1 / ((positives > 1 ? positives : 1) * static_cast<double>(params.images));
}

/// Where an image's anchor is among the rows of a batch.
KESTREL_HOST_DEVICE inline int64_t anchor_row(int64_t anchor, const AnchorLevel& level,
                                              const AnchorTargetParams& params) {
  const int64_t size = level.height * level.width * level.per_cell;
  return params.images * level.begin + params.image * size + anchor - level.begin;
}

inline void check_anchor_targets(const ConstView& assigned, const ConstView& anchors,
                                 const ConstView& truth_labels, const ConstView& truth_boxes,
                                 const AnchorLevels& levels, const AnchorTargetParams& params,
                                 const AnchorTargetViews& targets) {
  const int64_t n = assigned.numel();
  const int64_t rows = n * params.images;
  KESTREL_CHECK(anchors.shape == Shape({n, 4}) && levels.anchors() == n,
                "[anchor_targets] anchors ", anchors.shape, " and levels of ", levels.anchors(),
                " for ", n, " assignments");
  KESTREL_CHECK(truth_boxes.shape == Shape({truth_labels.numel(), 4}), "[anchor_targets] ",
                truth_labels.numel(), " labels for boxes ", truth_boxes.shape);
  KESTREL_CHECK(params.image >= 0 && params.image < params.images, "[anchor_targets] image ",
                params.image, " of ", params.images);
  KESTREL_CHECK(targets.labels.numel() == rows && targets.anchors.shape == Shape({rows, 4}) &&
                    targets.boxes.shape == Shape({rows, 4}) &&
                    targets.box_weights.numel() == rows &&
                    (!targets.label_weights || targets.label_weights.numel() == rows) &&
                    targets.positives.numel() == 1,
                "[anchor_targets] targets must have ", rows, " rows");
}

inline void check_anchor_flags(const ConstView& anchors, const AnchorLevels& levels,
                               const ConstView& image, const ConstView& valid) {
  const int64_t n = valid.numel();
  KESTREL_CHECK(anchors.shape == Shape({n, 4}) && levels.anchors() == n && image.numel() == 4,
                "[anchor_flags] anchors ", anchors.shape, ", levels of ", levels.anchors(),
                " and an image of ", image.numel(), " numbers for ", n, " flags");
}

}  // namespace kestrel
