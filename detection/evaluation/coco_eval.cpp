#include <kestrel/detection/evaluation/coco_eval.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <span>

#include <kestrel/detection/evaluation/coco_accumulate.h>
#include <kestrel/detection/evaluation/coco_match.h>
#include <kestrel/kernels/error.h>
#include <kestrel/kernels/log.h>
#include <kestrel/kernels/parallel.h>

namespace kestrel {
namespace {

using coco::ClassMatches;
using coco::kA;
using coco::MatchedDetection;
using coco::MatchItem;

/// Position of an id in a sorted list, or -1.
int64_t find_id(const std::vector<int64_t>& ids, int64_t id) {
  const auto at = std::lower_bound(ids.begin(), ids.end(), id);
  return at != ids.end() && *at == id ? at - ids.begin() : -1;
}

/// Images and classes of an evaluation by ascending id.
struct Index {
  std::vector<int64_t> image_ids;
  std::vector<EvalImage> images;
  std::vector<int64_t> category_ids;
  std::vector<EvalCategory> categories;

  Index(const EvalTruths& truths, bool class_agnostic) {
    std::map<int64_t, const EvalImage*> by_image;
    for (const auto& image : truths.images) by_image[image.id] = &image;
    for (const auto& [id, image] : by_image) {
      image_ids.push_back(id);
      images.push_back(*image);
    }
    std::map<int64_t, const EvalCategory*> by_category;
    for (const auto& category : truths.categories) by_category[category.id] = &category;
    for (const auto& [id, category] : by_category) {
      category_ids.push_back(id);
      categories.push_back(*category);
    }
    all_as_one = class_agnostic && !categories.empty();
    if (all_as_one) categories = {{category_ids[0], "all"}};
  }

  bool all_as_one = false;
};

/// An annotation or detection by (class, image): sorting gives groups in the order of accumulation,
/// each in the order of the input.
struct Keyed {
  int64_t key;
  int64_t category;  // Also where all count as one: in this order the COCO authors' code has them.
  int64_t item;
  friend auto operator<=>(const Keyed&, const Keyed&) = default;
};

void check_mask_of(const RleMask& mask, const EvalImage& image, const std::string& what) {
  try {
    check_mask(mask);
  } catch (const DataError& error) {
    fail<DataError>(what, ": ", error.what());
  }
  if (image.height > 0 && image.width > 0 &&
      (mask.height != image.height || mask.width != image.width))
    fail<DataError>(what, " has a mask of ", mask.height, " x ", mask.width, " for image ",
                    image.id, " of ", image.height, " x ", image.width);
}

template <class Item>
void check_shape(const Item& item, const EvalImage& image, CocoMetric metric,
                 const auto& describe) {
  const auto finite = [](double v) { return std::isfinite(v); };
  if (metric == CocoMetric::kBbox && !std::all_of(item.bbox.begin(), item.bbox.end(), finite))
    fail<DataError>(describe(), ": bbox has a number that is not finite");
  if (item.area && std::isnan(*item.area)) fail<DataError>(describe(), ": area is not a number");
  if (metric == CocoMetric::kSegm) check_mask_of(item.mask, image, describe());
}

std::vector<Keyed> key_truths(const EvalTruths& truths, const Index& index, CocoMetric metric) {
  const std::string prefix = "[coco] " + truths.source + ": ";
  std::vector<Keyed> keyed;
  std::vector<int64_t> ids;
  int64_t dropped = 0, first_dropped = 0;
  for (const EvalTruth& truth : truths.annotations) {
    ids.push_back(truth.id);
    const int64_t i = find_id(index.image_ids, truth.image_id);
    const int64_t category = find_id(index.category_ids, truth.category_id);
    const int64_t k = index.all_as_one ? std::min<int64_t>(category, 0) : category;
    if (i < 0 || k < 0) {
      if (dropped++ == 0) first_dropped = truth.id;
      continue;
    }
    check_shape(truth, index.images[i], metric,
                [&] { return prefix + "annotation " + std::to_string(truth.id); });
    keyed.push_back(
        {k * std::ssize(index.images) + i, category, &truth - truths.annotations.data()});
  }
  std::sort(ids.begin(), ids.end());
  if (const auto twice = std::adjacent_find(ids.begin(), ids.end()); twice != ids.end())
    fail<DataError>(prefix, "annotation id ", *twice, " occurs more than once");
  if (std::binary_search(ids.begin(), ids.end(), 0))
    warn(prefix +
         "annotation id 0 never counts as found, as in the COCO authors' code; number "
         "annotations from 1");
  if (dropped > 0)
    warn(prefix + "dropped " + std::to_string(dropped) +
         " annotations of images or categories that are not listed, first annotation " +
         std::to_string(first_dropped));
  std::sort(keyed.begin(), keyed.end());
  return keyed;
}

std::vector<Keyed> key_detections(const std::vector<CocoEvalDetection>& detections,
                                  const Index& index, CocoMetric metric) {
  std::vector<Keyed> keyed;
  keyed.reserve(detections.size());
  int64_t dropped = 0, first_dropped = 0;
  for (const CocoEvalDetection& detection : detections) {
    const int64_t item = &detection - detections.data();
    const auto describe = [&] { return "[coco] detection " + std::to_string(item); };
    const int64_t i = find_id(index.image_ids, detection.image_id);
    const int64_t category = find_id(index.category_ids, detection.category_id);
    const int64_t k = index.all_as_one ? std::min<int64_t>(category, 0) : category;
    if (i < 0)
      fail<DataError>(describe(), ": image ", detection.image_id,
                      " is not among the annotated images");
    if (k < 0) {
      if (dropped++ == 0) first_dropped = detection.category_id;
      continue;
    }
    if (std::isnan(detection.score)) fail<DataError>(describe(), ": score is not a number");
    check_shape(detection, index.images[i], metric, describe);
    keyed.push_back({k * std::ssize(index.images) + i, category, item});
  }
  if (dropped > 0)
    warn("[coco] dropped " + std::to_string(dropped) +
         " detections of categories that are not listed, first category " +
         std::to_string(first_dropped));
  std::sort(keyed.begin(), keyed.end());
  return keyed;
}

/// What one image and class has, and where its results go.
struct Group {
  int64_t key = 0;
  std::span<const Keyed> truths, detections;
  int64_t first_result = 0, results = 0;
  std::array<int64_t, kA> counted{};
};

std::span<const Keyed> take_key(std::span<const Keyed>& rest, int64_t key) {
  size_t n = 0;
  while (n < rest.size() && rest[n].key == key) ++n;
  const auto taken = rest.first(n);
  rest = rest.subspan(n);
  return taken;
}

std::vector<Group> make_groups(std::span<const Keyed> truths, std::span<const Keyed> detections,
                               int64_t max_detections) {
  std::vector<Group> groups;
  int64_t results = 0;
  while (!truths.empty() || !detections.empty()) {
    Group group;
    group.key = truths.empty()       ? detections.front().key
                : detections.empty() ? truths.front().key
                                     : std::min(truths.front().key, detections.front().key);
    group.truths = take_key(truths, group.key);
    group.detections = take_key(detections, group.key);
    group.first_result = results;
    group.results = std::min<int64_t>(std::ssize(group.detections), max_detections);
    results += group.results;
    groups.push_back(group);
  }
  return groups;
}

template <class Item>
MatchItem match_item(const Item& item, CocoMetric metric) {
  MatchItem result;
  result.bbox = &item.bbox;
  result.mask = &item.mask;
  if (metric == CocoMetric::kSegm) result.mask_bounds = mask_box(item.mask);
  if (item.area)
    result.area = *item.area;
  else if (metric == CocoMetric::kSegm)
    result.area = static_cast<double>(mask_area(item.mask));
  else
    result.area = item.bbox[2] * item.bbox[3];
  return result;
}

void match_group(Group& group, const EvalTruths& truths,
                 const std::vector<CocoEvalDetection>& detections, CocoMetric metric,
                 const CocoEvalLimits& limits, std::span<MatchedDetection> out) {
  std::vector<MatchItem> truth_items, detection_items;
  truth_items.reserve(group.truths.size());
  detection_items.reserve(group.detections.size());
  for (const Keyed& keyed : group.truths) {
    const EvalTruth& truth = truths.annotations[keyed.item];
    truth_items.push_back(match_item(truth, metric));
    truth_items.back().id = truth.id;
    truth_items.back().crowd = truth.crowd;
    truth_items.back().ignore = truth.ignore;
  }
  for (const Keyed& keyed : group.detections) {
    detection_items.push_back(match_item(detections[keyed.item], metric));
    detection_items.back().score = detections[keyed.item].score;
  }
  group.counted = coco::match_image(truth_items, detection_items, metric, limits, out);
}

/// The groups of each class, in one piece since classes are the major part of the key.
std::vector<ClassMatches> matches_by_class(const std::vector<Group>& groups,
                                           std::span<const MatchedDetection> results,
                                           const Index& index) {
  std::vector<ClassMatches> matches(index.categories.size());
  for (size_t begin = 0; begin < groups.size();) {
    const int64_t k = groups[begin].key / std::ssize(index.images);
    const int64_t first = groups[begin].first_result;
    int64_t count = 0;
    for (; begin < groups.size() && groups[begin].key / std::ssize(index.images) == k; ++begin) {
      count += groups[begin].results;
      for (int a = 0; a < kA; ++a) matches[k].counted[a] += groups[begin].counted[a];
    }
    matches[k].detections = results.subspan(first, count);
    matches[k].seen = true;
  }
  return matches;
}

}  // namespace

std::string_view to_string(CocoMetric metric) {
  return metric == CocoMetric::kBbox ? "bbox" : "segm";
}

CocoMetric coco_metric_from_string(std::string_view name) {
  if (name == "bbox") return CocoMetric::kBbox;
  if (name == "segm") return CocoMetric::kSegm;
  fail<UsageError>("[coco] metric must be bbox or segm, got ", name);
}

void check_limits(const CocoEvalLimits& limits) {
  if (limits.iou_thresholds.empty() || limits.iou_thresholds.size() > 32) {
    fail<UsageError>("[coco] there must be 1 to 32 IoU thresholds, got ",
                     limits.iou_thresholds.size());
  }
  for (const double threshold : limits.iou_thresholds) {
    if (!(threshold > 0 && threshold <= 1)) {
      fail<UsageError>("[coco] an IoU threshold must be in (0, 1], got ", threshold);
    }
  }
  const auto& most = limits.max_detections;
  if (most[0] < 1 || !std::ranges::is_sorted(most)) {
    fail<UsageError>("[coco] numbers of detections must be three ascending numbers from 1, got ",
                     most[0], ", ", most[1], " and ", most[2]);
  }
  const auto& [small, large] = limits.area_bounds;
  if (!(small > 0 && small <= large)) {
    fail<UsageError>("[coco] areas must be two ascending numbers above 0, got ", small, " and ",
                     large);
  }
}

CocoEvalResult evaluate_coco(const EvalTruths& truths,
                             const std::vector<CocoEvalDetection>& detections, CocoMetric metric,
                             const CocoEvalLimits& limits) {
  check_limits(limits);
  const Index index(truths, limits.class_agnostic);
  const std::vector<Keyed> keyed_truths = key_truths(truths, index, metric);
  const std::vector<Keyed> keyed_detections = key_detections(detections, index, metric);
  std::vector<Group> groups =
      make_groups(keyed_truths, keyed_detections, limits.max_detections.back());
  const int64_t count = groups.empty() ? 0 : groups.back().first_result + groups.back().results;
  std::vector<MatchedDetection> results(count);
  parallel_for(std::ssize(groups), 128, [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g)
      match_group(groups[g], truths, detections, metric, limits,
                  std::span(results).subspan(groups[g].first_result, groups[g].results));
  });

  CocoEvalResult result;
  result.metric = metric;
  result.limits = limits;
  result.categories = index.categories;
  coco::reset_tables(result);
  const std::vector<ClassMatches> matches = matches_by_class(groups, results, index);
  parallel_for(std::ssize(matches), 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) coco::accumulate_class(matches[k], k, result);
  });
  coco::summarize(result);
  return result;
}

}  // namespace kestrel
