#include <kestrel/detection/evaluation/confusion_matrix.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>

namespace kestrel {
namespace {

using XYWH = std::array<double, 4>;

double intersection(const XYWH& a, const XYWH& b) {
  const double width = std::min(a[0] + a[2], b[0] + b[2]) - std::max(a[0], b[0]);
  const double height = std::min(a[1] + a[3], b[1] + b[3]) - std::max(a[1], b[1]);
  return std::max(0.0, width) * std::max(0.0, height);
}

double iou(const XYWH& a, const XYWH& b) {
  const double both = intersection(a, b);
  const double either = a[2] * a[3] + b[2] * b[3] - both;
  return either > 0 ? both / either : 0;
}

/// What one image has, with classes as rows of the matrix.
struct ImageItems {
  struct Item {
    int64_t label = 0;
    XYWH box{};
    double score = 0;  // of a detection
  };
  std::vector<Item> objects, detections;
  std::vector<XYWH> ignored;
};

struct Pair {
  size_t object = 0, detection = 0;
};

/// Detections, the best first, each take the object that they overlap most of those that are left.
std::vector<Pair> match(const ImageItems& image, double min_iou) {
  std::vector<Pair> pairs;
  std::vector<char> taken(image.objects.size());
  for (size_t d = 0; d < image.detections.size(); ++d) {
    std::optional<size_t> best;
    double most = min_iou;
    for (size_t o = 0; o < image.objects.size(); ++o) {
      const double overlap = taken[o] ? 0 : iou(image.objects[o].box, image.detections[d].box);
      if (overlap <= most) continue;
      most = overlap;
      best = o;
    }
    if (!best) continue;
    taken[*best] = 1;
    pairs.push_back({*best, d});
  }
  return pairs;
}

bool lies_in_ignored(const XYWH& box, const ImageItems& image, double min_share) {
  return std::ranges::any_of(image.ignored, [&](const XYWH& region) {
    return intersection(box, region) > min_share * box[2] * box[3];
  });
}

void count_image(const ImageItems& image, const ConfusionOptions& options,
                 ConfusionMatrix& matrix) {
  const int64_t background = matrix.size() - 1;
  const auto count = [&](int64_t predicted, int64_t truth) {
    ++matrix.counts[static_cast<size_t>(predicted * matrix.size() + truth)];
  };
  std::vector<char> object_done(image.objects.size()), detection_done(image.detections.size());
  for (const Pair& pair : match(image, options.min_iou)) {
    count(image.detections[pair.detection].label, image.objects[pair.object].label);
    object_done[pair.object] = detection_done[pair.detection] = 1;
  }
  for (size_t o = 0; o < image.objects.size(); ++o) {
    if (!object_done[o]) count(background, image.objects[o].label);
  }
  for (size_t d = 0; d < image.detections.size(); ++d) {
    const auto& [label, box, score] = image.detections[d];
    if (!detection_done[d] && !lies_in_ignored(box, image, options.min_iou)) {
      count(label, background);
    }
  }
}

}  // namespace

int64_t ConfusionMatrix::column_sum(int64_t truth) const {
  int64_t sum = 0;
  for (int64_t predicted = 0; predicted < size(); ++predicted) sum += at(predicted, truth);
  return sum;
}

ConfusionMatrix confusion_matrix(const EvalTruths& truths,
                                 const std::vector<CocoEvalDetection>& detections,
                                 const ConfusionOptions& options) {
  std::map<int64_t, std::string> names;
  for (const EvalCategory& category : truths.categories) names[category.id] = category.name;
  ConfusionMatrix matrix;
  std::unordered_map<int64_t, int64_t> label_of;
  for (const auto& [id, name] : names) {
    label_of[id] = static_cast<int64_t>(matrix.classes.size());
    matrix.classes.push_back(name);
  }
  matrix.counts.assign(static_cast<size_t>(matrix.size() * matrix.size()), 0);

  std::unordered_map<int64_t, ImageItems> images;
  for (const EvalTruth& truth : truths.annotations) {
    const auto label = label_of.find(truth.category_id);
    if (label == label_of.end()) continue;
    ImageItems& image = images[truth.image_id];
    if (truth.crowd || truth.ignore) {
      image.ignored.push_back(truth.bbox);
    } else {
      image.objects.push_back({label->second, truth.bbox, 0});
    }
  }
  for (const CocoEvalDetection& detection : detections) {
    const auto label = label_of.find(detection.category_id);
    if (label == label_of.end() || !(detection.score > options.min_score)) continue;
    images[detection.image_id].detections.push_back(
        {label->second, detection.bbox, detection.score});
  }
  for (auto& [id, image] : images) {
    std::ranges::stable_sort(image.detections, std::greater(), &ImageItems::Item::score);
    count_image(image, options, matrix);
  }
  return matrix;
}

}  // namespace kestrel
