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
  int64_t nms_pre = 1000;
  double min_bbox_size = 0;
  double score_thr = 0.05;
  NmsOptions nms = {};
  int64_t max_per_img = 100;
  CandidateKind candidates = CandidateKind::Pairs;
  bool rescale_after_nms = false;

  template <class V>
  void visit(V& v) {
    v("nms_pre", nms_pre, "candidates per level; -1 for all");
    v("min_bbox_size", min_bbox_size, "without effect in dense heads, as in MMDetection");
    v("score_thr", score_thr, "a score has to be above this");
    v("nms", nms, "non-maximum suppression");
    v("max_per_img", max_per_img, "detections per image; -1 for all");
    v("candidates", candidates, "what nms_pre counts");
    v("rescale_after_nms", rescale_after_nms,
      "as torchvision does; else boxes are rescaled before");
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
