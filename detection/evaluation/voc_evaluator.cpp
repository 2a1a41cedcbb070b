// Built with -ffp-contract=off: overlaps are compared with thresholds and with each other.
#include <kestrel/detection/evaluation/voc_evaluator.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <numeric>
#include <unordered_map>

#include <kestrel/kernels/common/box.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

const EvaluatorRegistration<VocEvaluator, VocEvaluatorOptions> kVocEvaluator{
    "VocEvaluator", "Pascal VOC's mean average precision"};

struct VocObject {
  Box box;
  bool difficult = false;
};

struct VocDetection {
  Box box;
  float score = 0;
  bool right = false, wrong = false;  // neither: it does not count
};

/// What one class has in each image.
struct VocClass {
  std::vector<std::vector<VocObject>> objects;
  std::vector<std::vector<VocDetection>> detections;

  explicit VocClass(size_t images) : objects(images), detections(images) {}
};

float overlap(const Box& a, const Box& b, float pixel) {
  const float w = std::max(std::min(a.x2, b.x2) - std::max(a.x1, b.x1) + pixel, 0.0F);
  const float h = std::max(std::min(a.y2, b.y2) - std::max(a.y1, b.y1) + pixel, 0.0F);
  const float area_a = (a.x2 - a.x1 + pixel) * (a.y2 - a.y1 + pixel);
  const float area_b = (b.x2 - b.x1 + pixel) * (b.y2 - b.y1 + pixel);
  const float both = w * h;
  return both / std::max(area_a + area_b - both, 1e-6F);
}

/// The detections of an image, marked, best score first.
std::vector<VocDetection> judge(const std::vector<VocObject>& objects,
                                std::vector<VocDetection> detections, float threshold,
                                float pixel) {
  std::ranges::stable_sort(detections, std::greater(), &VocDetection::score);
  std::vector<char> taken(objects.size());
  for (VocDetection& detection : detections) {
    float most = -1;
    size_t best = 0;
    for (size_t i = 0; i < objects.size(); ++i) {
      const float own = overlap(detection.box, objects[i].box, pixel);
      if (own > most) {
        most = own;
        best = i;
      }
    }
    if (!(most >= threshold)) {
      detection.wrong = true;
    } else if (!objects[best].difficult) {
      (taken[best] ? detection.wrong : detection.right) = true;
      taken[best] = 1;
    }
  }
  return detections;
}

double area_below(const std::vector<double>& recall, std::vector<double> precision) {
  double area = 0, after = 0;
  for (size_t i = precision.size(); i-- > 1;) {
    precision[i - 1] = std::max(precision[i - 1], precision[i]);
  }
  for (size_t i = 0; i < recall.size(); ++i) {
    area += (recall[i] - after) * precision[i];
    after = recall[i];
  }
  return area;
}

/// The best precision from a recall on.
double best_precision(const PrecisionCurve& curve, double recall) {
  double best = 0;
  for (size_t i = 0; i < curve.recall.size(); ++i) {
    if (curve.recall[i] >= recall) best = std::max(best, curve.precision[i]);
  }
  return best;
}

struct ClassResult {
  int64_t objects = 0, detections = 0;
  PrecisionCurve curve;
};

ClassResult evaluate_class(const VocClass& of_class, float threshold,
                           const VocEvaluatorOptions& options) {
  ClassResult result;
  std::vector<VocDetection> all;
  for (size_t i = 0; i < of_class.objects.size(); ++i) {
    const auto& objects = of_class.objects[i];
    result.objects += std::ranges::count(objects, false, &VocObject::difficult);
    const auto judged =
        judge(objects, of_class.detections[i], threshold, options.legacy_coordinates ? 1.0F : 0.0F);
    all.insert(all.end(), judged.begin(), judged.end());
  }
  result.detections = std::ssize(all);
  std::ranges::stable_sort(all, std::greater(), &VocDetection::score);
  constexpr float kEps = std::numeric_limits<float>::epsilon();
  float right = 0, wrong = 0;
  for (const VocDetection& detection : all) {
    right += detection.right;
    wrong += detection.wrong;
    const auto whole = std::max(static_cast<double>(result.objects), double{kEps});
    result.curve.recall.push_back(static_cast<double>(right) / whole);
    result.curve.precision.push_back(static_cast<double>(right / std::max(right + wrong, kEps)));
  }
  if (options.mode == VocMode::Area) {
    result.curve.ap = area_below(result.curve.recall, result.curve.precision);
  } else {
    for (int i = 0; i <= 10; ++i) result.curve.ap += best_precision(result.curve, i * 0.1) / 11;
  }
  return result;
}

/// Deals detections and annotations to classes and images.
std::vector<VocClass> deal(const EvalTruths& truths,
                           const std::vector<ImageDetections>& detections) {
  std::unordered_map<int64_t, size_t> image_at, class_at;
  for (const EvalImage& image : truths.images) image_at.emplace(image.id, image_at.size());
  for (const EvalCategory& category : truths.categories) {
    class_at.emplace(category.id, class_at.size());
  }
  std::vector<VocClass> classes(truths.categories.size(), VocClass(image_at.size()));
  for (const EvalTruth& truth : truths.annotations) {
    const auto image = image_at.find(truth.image_id);
    const auto label = class_at.find(truth.category_id);
    if (image == image_at.end() || label == class_at.end()) continue;
    const auto& [x, y, w, h] = truth.bbox;
    classes[label->second].objects[image->second].push_back(
        {.box = {static_cast<float>(x), static_cast<float>(y), static_cast<float>(x + w),
                 static_cast<float>(y + h)},
         .difficult = truth.ignore || truth.crowd});
  }
  // Among objects that a detection overlaps alike, those that count come first.
  for (VocClass& of_class : classes) {
    for (auto& objects : of_class.objects) {
      std::stable_partition(objects.begin(), objects.end(),
                            [](const VocObject& o) { return !o.difficult; });
    }
  }
  for (const auto& [image_id, found] : detections) {
    const auto image = image_at.find(image_id);
    if (image == image_at.end()) {
      fail<DataError>("[voc] image ", image_id, " is not among the annotated images");
    }
    for (int64_t i = 0; i < found.scores.numel(); ++i) {
      const int64_t label = found.labels.data<int64_t>()[i];
      if (label < 0 || label >= std::ssize(classes)) {
        fail<DataError>("[voc] label ", label, " has no category among ", classes.size());
      }
      const float* b = found.boxes.data<float>() + 4 * i;
      classes[static_cast<size_t>(label)].detections[image->second].push_back(
          {.box = {b[0], b[1], b[2], b[3]}, .score = found.scores.data<float>()[i]});
    }
  }
  return classes;
}

/// The mean of the classes' curves, at recalls 0, .01, ..., 1.
PrecisionCurve mean_curve_of(const std::vector<PrecisionCurve>& curves, double mean_ap) {
  PrecisionCurve mean{.ap = mean_ap};
  for (int i = 0; i <= 100 && !curves.empty(); ++i) {
    double sum = 0;
    for (const PrecisionCurve& curve : curves) sum += best_precision(curve, i / 100.0);
    mean.recall.push_back(i / 100.0);
    mean.precision.push_back(sum / static_cast<double>(curves.size()));
  }
  return mean;
}

std::string table_row(std::string name, size_t width, const char* format, auto... values) {
  char numbers[120];
  std::snprintf(numbers, sizeof numbers, format, values...);
  name.resize(std::max(width, name.size()), ' ');
  return name + numbers + '\n';
}

}  // namespace

VocEvaluator::VocEvaluator(const VocEvaluatorOptions& options, const EvalTruths& truths)
    : options_(options), truths_(truths) {
  for (const std::string& metric : options.metric.values) {
    if (metric != "mAP") fail<UsageError>("[voc] metric must be mAP, got ", metric);
  }
  if (options.iou_thr.values.empty()) fail<UsageError>("[voc] iou_thr has no threshold");
  for (const double threshold : options.iou_thr.values) {
    if (!(threshold > 0 && threshold <= 1)) {
      fail<UsageError>("[voc] iou_thr must be in (0, 1], got ", threshold);
    }
  }
}

EvalReport VocEvaluator::evaluate(const std::vector<ImageDetections>& detections) const {
  const std::vector<VocClass> classes = deal(truths_, detections);
  EvalReport report;
  report.numbers.emplace_back("map", 0);
  size_t width = 8;
  for (const EvalCategory& category : truths_.categories) {
    width = std::max(width, category.name.size());
  }
  for (const double threshold : options_.iou_thr.values) {
    std::vector<PrecisionCurve> curves;
    double sum = 0;
    char title[40];
    std::snprintf(title, sizeof title, "IoU %.2f:\n", threshold);
    if (options_.iou_thr.values.size() > 1) report.text += title;
    report.text +=
        table_row("class", width, "  %7s  %7s  %7s  %6s", "objects", "found", "recall", "AP");
    for (size_t k = 0; k < classes.size(); ++k) {
      ClassResult result = evaluate_class(classes[k], static_cast<float>(threshold), options_);
      result.curve.name = truths_.categories[k].name;
      report.text += table_row(
          result.curve.name, width, "  %7lld  %7lld  %7.3f  %6.3f",
          static_cast<long long>(result.objects), static_cast<long long>(result.detections),
          result.curve.recall.empty() ? 0.0 : result.curve.recall.back(), result.curve.ap);
      if (result.objects == 0) continue;
      sum += result.curve.ap;
      curves.push_back(std::move(result.curve));
    }
    const double mean = curves.empty() ? 0 : sum / static_cast<double>(curves.size());
    report.text += table_row("mAP", width, "  %7s  %7s  %7s  %6.3f", "", "", "", mean);
    char name[16];
    std::snprintf(name, sizeof name, "ap%02d", static_cast<int>(threshold * 100));
    report.numbers.emplace_back(name, mean);
    report.numbers[0].second += mean / static_cast<double>(options_.iou_thr.values.size());
    if (threshold == 0.5) {
      report.mean_curve = mean_curve_of(curves, mean);
      report.curves = std::move(curves);
    }
  }
  return report;
}

}  // namespace kestrel
