#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <kestrel/detection/evaluation/coco_eval.h>
#include <kestrel/detection/structures.h>

namespace kestrel {

/// Appends the detections of one image to `out`; their boxes must be in pixels of the original
/// image. A label becomes the category id at its place. Throws Error for a label without one.
void append_coco_detections(const Detections& detections, int64_t image_id,
                            std::span<const int64_t> category_ids,
                            std::vector<CocoEvalDetection>& out);

/// What a results file has in place of our ids.
struct CocoResultIds {
  std::unordered_map<int64_t, std::string> image_texts{};  ///< Ids of images that are text.
  std::unordered_set<int64_t> unknown_categories{};        ///< Left out: the annotations lack them.
};

/// COCO's results format: a list of objects with image_id, category_id, bbox and score; for segm a
/// compressed segmentation in place of the box. Numbers read back as the same doubles.
std::string coco_results_json(std::span<const CocoEvalDetection> detections,
                              CocoMetric metric = CocoMetric::kBbox, const CocoResultIds& ids = {});

}  // namespace kestrel
