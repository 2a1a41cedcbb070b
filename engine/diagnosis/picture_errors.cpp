#include <kestrel/engine/diagnosis/picture_errors.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <unordered_map>

namespace kestrel {
namespace {

double common_area(const Box& a, const Box& b) {
  const double w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const double h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  return std::max(0.0, w) * std::max(0.0, h);
}

double share_in(const Box& box, const Box& region) {
  return box.area() > 0 ? common_area(box, region) / box.area() : 0;
}

double overlap_of(const Box& a, const Box& b) {
  const double both = common_area(a, b), either = a.area() + b.area() - both;
  return either > 0 ? both / either : 0;
}

Box box_at(const Detections& found, size_t i) {
  const float* b = found.boxes.data<float>() + 4 * i;
  return {b[0], b[1], b[2], b[3]};
}

PictureErrors errors_in(std::span<const Annotation> objects, const Detections& found,
                        const PictureErrorOptions& options) {
  PictureErrors errors;
  std::vector<char> taken(objects.size());
  std::vector<size_t> order(static_cast<size_t>(found.scores ? found.scores.numel() : 0));
  std::iota(order.begin(), order.end(), size_t{0});
  const auto score = [&](size_t i) { return found.scores.data<float>()[i]; };
  std::ranges::stable_sort(order, std::greater(), score);
  for (const size_t d : order) {
    if (score(d) <= options.min_score) continue;
    const Box box = box_at(found, d);
    std::optional<size_t> best;
    double most = options.min_iou;
    bool excused = false;
    for (size_t o = 0; o < objects.size(); ++o) {
      const Annotation& object = objects[o];
      if (!object.is_object()) {
        excused = excused || share_in(box, object.box()) > options.min_iou;
        continue;
      }
      const bool same = object.label == found.labels.data<int64_t>()[d];
      const double overlap = taken[o] || !same ? 0 : overlap_of(box, object.box());
      if (overlap < most) continue;
      most = overlap;
      best = o;
    }
    if (best) {
      taken[*best] = 1;
      errors.right.push_back(d);
    } else if (!excused) {
      errors.wrong.push_back(d);
      errors.cost += static_cast<double>(score(d));
    }
  }
  for (size_t o = 0; o < objects.size(); ++o) {
    if (!taken[o] && objects[o].is_object()) errors.missed.push_back(o);
  }
  errors.cost += static_cast<double>(errors.missed.size());
  return errors;
}

}  // namespace

std::vector<PictureErrors> picture_errors(const Dataset& dataset,
                                          const std::vector<ImageDetections>& detections,
                                          const PictureErrorOptions& options) {
  std::unordered_map<int64_t, const Detections*> found;
  for (const ImageDetections& image : detections) found[image.image_id] = &image.found;
  std::vector<PictureErrors> all;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto own = found.find(dataset.info(i).id);
    PictureErrors errors = errors_in(dataset.annotations(i),
                                     own == found.end() ? Detections{} : *own->second, options);
    errors.index = i;
    if (errors.cost > 0) all.push_back(std::move(errors));
  }
  std::ranges::stable_sort(all, std::greater(), &PictureErrors::cost);
  return all;
}

}  // namespace kestrel
