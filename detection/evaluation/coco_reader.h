#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <kestrel/detection/evaluation/coco_eval.h>

namespace kestrel {

/// Reads COCO annotations (an object with images, categories and annotations) for the metric: with
/// bbox, segmentations are passed over. An annotation without `area` gets that of its box or mask;
/// one without `iscrowd` is no crowd; its `ignore` is not looked at. Throws DataError that names
/// the file, the item and the value.
EvalTruths read_coco_truths(const std::string& path, CocoMetric metric);

/// The same from a text; `name` stands for the file in messages.
EvalTruths parse_coco_truths(std::string_view json, CocoMetric metric,
                             const std::string& name = "annotations");

/// Reads COCO results (a list of objects with image_id, category_id, score and bbox, segmentation
/// or both). As in the COCO authors' code the first one decides: if it has a box then all must, an
/// area is that of the box, and the box is the mask of one that has none; if not, box and area are
/// the mask's. Throws DataError that names the file, the item and the value, also for an image not
/// in `truths`.
std::vector<CocoEvalDetection> read_coco_results(const std::string& path, const EvalTruths& truths,
                                                 CocoMetric metric);

/// The same from a text; `name` stands for the file in messages.
std::vector<CocoEvalDetection> parse_coco_results(std::string_view json, const EvalTruths& truths,
                                                  CocoMetric metric,
                                                  const std::string& name = "results");

/// Reads both files and evaluates.
CocoEvalResult evaluate_coco_files(const std::string& annotations, const std::string& results,
                                   CocoMetric metric);

}  // namespace kestrel
