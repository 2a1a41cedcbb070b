#include <kestrel/data/datasets/coco_truths.h>

#include <algorithm>
#include <unordered_set>

#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

RleMask mask_of(const Segmentation& s, const ImageInfo& image) {
  if (!s.polygons.empty()) return mask_from_polygons(s.polygons, image.height, image.width);
  if (!s.compressed.empty()) return mask_from_string(s.compressed, s.height, s.width);
  RleMask mask{s.height, s.width, s.counts};
  check_mask(mask);
  return mask;
}

CocoEvalTruth truth_of(const Annotation& annotation, const ImageInfo& image, const Dataset& dataset,
                       CocoMetric metric) {
  CocoEvalTruth truth{.id = annotation.id,
                      .image_id = image.id,
                      .category_id = dataset.category_id(annotation.label),
                      .bbox = annotation.bbox,
                      .area = annotation.area,
                      .crowd = annotation.crowd,
                      .ignore = annotation.difficult,
                      .mask = {}};
  if (metric == CocoMetric::kBbox) return truth;
  const auto fail_with = [&](const auto&... why) {
    fail<DataError>("[", dataset.name(), "] annotation ", annotation.id, " of image ", image.id,
                    why...);
  };
  if (!annotation.segmentation) fail_with(" has no segmentation");
  try {
    truth.mask = mask_of(*annotation.segmentation, image);
  } catch (const DataError& error) {
    fail_with(": ", error.what());
  }
  return truth;
}

}  // namespace

CocoEvalTruths coco_truths(const Dataset& dataset, CocoMetric metric) {
  CocoEvalTruths truths;
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
  for (const CocoEvalTruth& truth : truths.annotations) last_id = std::max(last_id, truth.id);
  std::unordered_set<int64_t> seen;
  for (CocoEvalTruth& truth : truths.annotations)
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
