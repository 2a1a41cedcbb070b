#pragma once

#include <kestrel/data/datasets/dataset.h>
#include <kestrel/detection/evaluation/coco_eval.h>
#include <kestrel/detection/evaluation/coco_results.h>

namespace kestrel {

/// A data set as evaluate_coco takes it: all of its images and annotations, those included that are
/// not trained on. VOC's difficult objects are neither to be found nor wrong to find. An annotation
/// id that occurs again gets a new one. For segm every annotation needs a segmentation; throws
/// DataError naming one that has none or a broken one.
EvalTruths coco_truths(const Dataset& dataset, CocoMetric metric = CocoMetric::kBbox);

/// The ids of a data set as its own annotations have them, for coco_results_json.
CocoResultIds coco_ids(const Dataset& dataset);

}  // namespace kestrel
