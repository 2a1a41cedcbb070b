#pragma once

#include <cstdint>
#include <span>

#include <kestrel/kernels/stream.h>
#include <kestrel/kernels/view.h>

/// What a dense head is to predict at each anchor, from the assignment of the anchors.
namespace kestrel {

/// Anchors of one pyramid level in a list of all, by row, column and anchor of the cell.
struct AnchorLevel {
  int64_t begin = 0;     ///< Index of its first anchor.
  int64_t height = 0;    ///< Cells.
  int64_t width = 0;     ///< Cells.
  int64_t per_cell = 0;  ///< Anchors of a cell.
  int64_t stride = 0;    ///< Pixels from cell to cell.

  int64_t size() const { return height * width * per_cell; }
};

/// Levels that the functions below take at most.
inline constexpr int64_t kMaxAnchorLevels = 16;

struct AnchorTargetParams {
  int64_t num_classes = 0;
  double pos_weight = 1;   ///< Of the positives' labels.
  int64_t image = 0;       ///< Which of the batch's images this one is,
  int64_t images = 1;      ///< of so many.
  bool per_image = false;  ///< Weights are divided by max(positives, 1) * images.
};

/// Targets of a batch of N images with n anchors each. Rows are ordered by level, then by image,
/// then by anchor, like the predictions of a dense head: those of one level are (N * its anchors).
struct AnchorTargetViews {
  View labels;         ///< (N * n) int64: a class, num_classes for negatives, -1 for ignored ones.
  View label_weights;  ///< (N * n) float32, zero for ignored ones; or absent.
  View anchors;        ///< (N * n, 4) float32.
  View boxes;          ///< (N * n, 4) float32: the ground truth, or the anchor where it has none.
  View box_weights;    ///< (N * n) float32: zero for all but positives.
  View positives;      ///< () float64: max(positives, 1) of this image is added to it.
};

namespace cpu {

/// valid (n) uint8 is 1 for the anchors (n, 4) float32 that count for an image: those of cells that
/// begin within its padded size, and with allowed_border >= 0 of these the ones that reach at most
/// so many pixels out of its content (MMDetection's valid_flags and inside_flags). image (4) int64:
/// padded height and width, then height and width of the content.
void anchor_flags(ConstView anchors, std::span<const AnchorLevel> levels, ConstView image,
                  int64_t allowed_border, View valid);

/// Writes one image's rows. assigned (n) int64 as anchor_assign leaves it; anchors (n, 4) float32;
/// truth_labels (g) int64; truth_boxes (g, 4) float32. Deterministic.
void anchor_targets(ConstView assigned, ConstView anchors, ConstView truth_labels,
                    ConstView truth_boxes, std::span<const AnchorLevel> levels,
                    const AnchorTargetParams& params, const AnchorTargetViews& targets);

}  // namespace cpu
namespace gpu {

void anchor_flags(ConstView anchors, std::span<const AnchorLevel> levels, ConstView image,
                  int64_t allowed_border, View valid, Stream stream);
void anchor_targets(ConstView assigned, ConstView anchors, ConstView truth_labels,
                    ConstView truth_boxes, std::span<const AnchorLevel> levels,
                    const AnchorTargetParams& params, const AnchorTargetViews& targets,
                    Stream stream);

}  // namespace gpu
}  // namespace kestrel
