#pragma once

#include <span>
#include <string>

#include <kestrel/detection/structures.h>

namespace kestrel {

/// MMDetection's test_cfg.nms.
struct NmsOptions {
  std::string type = "nms";
  double iou_threshold = 0.5;
  bool class_agnostic = false;

  template <class V>
  void visit(V& v) {
    v("type", type, "nms");
    v("iou_threshold", iou_threshold, "a box that overlaps a better one by more goes");
    v("class_agnostic", class_agnostic, "boxes of other classes count, too");
  }
};

/// Boxes of one image that suppression chooses from, on the device of the predictions.
struct Candidates {
  Tensor boxes;   ///< (n, 4) float32, x1 y1 x2 y2.
  Tensor scores;  ///< (n) float32; kNoCandidate where the box is not one.
  Tensor labels;  ///< (n) int64.

  Candidates() = default;
  /// Uninitialised.
  Candidates(int64_t n, Device device);
  int64_t size() const { return scores ? scores.numel() : 0; }
};

/// All of them, in this order.
Candidates concatenate(std::span<const Candidates> parts);

/// Mirrors the boxes back where the image was mirrored; `width` and `height` are the image's in the
/// pixels that the boxes are in.
void mirror_back(Candidates& candidates, const ImageMeta& meta, float width, float height);

/// What non-maximum suppression within each class leaves, at most so many (-1: all), by descending
/// score; on the CPU. Throws UsageError for a type other than nms.
Detections suppress(const Candidates& candidates, const NmsOptions& options, int64_t max_per_img);

}  // namespace kestrel
