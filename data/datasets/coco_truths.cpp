#include <kestrel/data/datasets/coco_truths.h>

#include <algorithm>
#include <unordered_set>

#include <kestrel/data/datasets/annotation_mask.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

EvalTruth truth_of(const Annotation& annotation, const ImageInfo& image, const Dataset& dataset,
                   CocoMetric metric) {
  EvalTruth truth{.id = annotation.id,
                  .image_id = image.id,
                  .category_id = dataset.category_id(annotation.label),
                  .bbox = annotation.bbox,
                  .area = annotation.area,
                  .crowd = annotation.crowd,
                  .ignore = annotation.difficult,
                  .mask = {}};
  if (metric == CocoMetric::kBbox) return truth;
  const InstanceMask mask =
      mask_of(dataset.name(), annotation, image.id, {image.height, image.width});
  try {
    truth.mask = mask.rle();
  } catch (const DataError& error) {
    fail<DataError>("[", dataset.name(), "] annotation ", annotation.id, " of image ", image.id,
                    ": ", error.what());
  }
  return truth;
}

}  // namespace

EvalTruths coco_truths(const Dataset& dataset, CocoMetric metric) {
  EvalTruths truths;
  truths.source = dataset.name();
  for (int64_t label = 0; label < dataset.num_classes(); ++label)
    truths.categories.push_back({dataset.category_id(label), dataset.class_names()[label]});
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const ImageInfo& image = dataset.info(i);
    truths.images.push_back({image.id, image.height, image.width});
    for (const Annotation& annotation : dataset.annotations(i))
      truths.annotations.push_back(truth_of(annotation, image, dataset, metric));
  }
  int64_t last_id = 0;
  for (const EvalTruth& truth : truths.annotations) last_id = std::max(last_id, truth.id);
  std::unordered_set<int64_t> seen;
  for (EvalTruth& truth : truths.annotations)
    if (!seen.insert(truth.id).second) truth.id = ++last_id;
  return truths;
}

CocoResultIds coco_ids(const Dataset& dataset) {
  CocoResultIds ids;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const ImageInfo& image = dataset.info(i);
    if (!image.id_text.empty()) ids.image_texts.emplace(image.id, image.id_text);
  }
  for (int64_t label = 0; label < dataset.num_classes(); ++label) {
    if (!dataset.has_class(label)) ids.unknown_categories.insert(dataset.category_id(label));
  }
  return ids;
}

}  // namespace kestrel
