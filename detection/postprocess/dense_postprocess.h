#pragma once

#include <array>
#include <utility>
#include <vector>

#include <kestrel/detection/coders/bbox_coder.h>
#include <kestrel/detection/postprocess/candidates.h>
#include <kestrel/detection/structures.h>

namespace kestrel {

/// What competes for the nms_pre places of a level.
enum class CandidateKind : uint8_t {
  Pairs,    ///< (anchor, class) pairs above score_thr: MMDetection from 2.17 on, and torchvision.
  Anchors,  ///< Anchors by their best class, before score_thr: MMDetection until 2.16.
};

constexpr auto enum_names(CandidateKind) {
  return std::array{std::pair{CandidateKind::Pairs, "pairs"},
                    std::pair{CandidateKind::Anchors, "anchors"}};
}

/// MMDetection's test_cfg of a dense head.
struct DenseTestOptions {
  int64_t nms_pre = 1000;  ///< Candidates per level; -1 for all.
  /// Without effect, as in MMDetection, whose dense heads keep boxes that clipping leaves without a
  /// side; its RPNs use it.
  double min_bbox_size = 0;
  double score_thr = 0.05;  ///< A score has to be above this.
  NmsOptions nms = {};
  int64_t max_per_img = 100;  ///< Detections per image; -1 for all.
  CandidateKind candidates = CandidateKind::Pairs;
  bool rescale_after_nms = false;  ///< As torchvision does; else boxes are rescaled before.

  template <class V>
  void visit(V& v) {
    v("nms_pre", nms_pre);
    v("min_bbox_size", min_bbox_size);
    v("score_thr", score_thr);
    v("nms", nms);
    v("max_per_img", max_per_img);
    v("candidates", candidates);
    v("rescale_after_nms", rescale_after_nms);
  }
};

/// What a dense head says of one image at one level. All levels and tensors are on one device.
struct LevelPredictions {
  Tensor logits;   ///< (n, C) float32 or bfloat16, before the sigmoid.
  Tensor deltas;   ///< (n, 4) float32 or bfloat16.
  Tensor anchors;  ///< (n, 4) float32.
};

/// What is above score_thr in one image, at most nms_pre of each level: logits are compared with
/// the logit of score_thr, and only what is left is scored and decoded. A NaN logit is no
/// candidate, nor is a box that is not finite. With `rescale`, boxes are in pixels of the original
/// image.
Candidates dense_candidates(const std::vector<LevelPredictions>& levels, const ImageMeta& meta,
                            const BBoxCoder& coder, const DenseTestOptions& options, bool rescale);

/// Objects in one image: what suppression leaves of dense_candidates(). Runs on the device of the
/// predictions; what it returns is on the CPU.
Detections dense_postprocess(const std::vector<LevelPredictions>& levels, const ImageMeta& meta,
                             const BBoxCoder& coder, const DenseTestOptions& options, bool rescale);

}  // namespace kestrel
