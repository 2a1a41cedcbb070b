// Built with -ffp-contract=off: overlaps are compared with thresholds and with each other.
#include <kestrel/detection/evaluation/voc_evaluator.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <unordered_map>

#include <fmt/format.h>

#include <kestrel/detection/evaluation/eval_arithmetic.h>
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

/// Sides from and below which objects count, squared.
struct AreaLimits {
  float least = 0, below = std::numeric_limits<float>::infinity();

  bool hold(float area) const { return area >= least && area < below; }
};

/// The detections of an image, marked, best score first.
std::vector<VocDetection> judge(const std::vector<VocObject>& objects,
                                std::vector<VocDetection> detections, float threshold, float pixel,
                                const AreaLimits& limits) {
  std::ranges::stable_sort(detections, std::greater(), &VocDetection::score);
  std::vector<char> taken(objects.size());
  for (VocDetection& detection : detections) {
    float most = -1;
    size_t best = 0;
    for (size_t i = 0; i < objects.size(); ++i) {
      const float own = eval_iou(detection.box, objects[i].box, pixel);
      if (own > most) {
        most = own;
        best = i;
      }
    }
    if (!(most >= threshold)) {
      detection.wrong = limits.hold(eval_area(detection.box, pixel));
    } else if (!objects[best].difficult && limits.hold(eval_area(objects[best].box, pixel))) {
      (taken[best] ? detection.wrong : detection.right) = true;
      taken[best] = 1;
    }
  }
  return detections;
}

double area_below(const std::vector<double>& recall, std::vector<double> precision) {
  for (size_t i = precision.size(); i-- > 1;) {
    precision[i - 1] = std::max(precision[i - 1], precision[i]);
  }
  std::vector<double> strips;
  double after = 0;
  for (size_t i = 0; i < recall.size(); ++i) {
    if (recall[i] != after) strips.push_back((recall[i] - after) * precision[i]);
    after = recall[i];
  }
  return pairwise_sum<double>(strips);
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

/// AP is a float32, and so are its means: MMDetection's to the last bit.
ClassResult evaluate_class(const VocClass& of_class, float threshold,
                           const VocEvaluatorOptions& options, const AreaLimits& limits) {
  const float pixel = options.legacy_coordinates ? 1.0F : 0.0F;
  ClassResult result;
  std::vector<VocDetection> all;
  for (size_t i = 0; i < of_class.objects.size(); ++i) {
    const auto& objects = of_class.objects[i];
    result.objects += std::ranges::count_if(objects, [&](const VocObject& o) {
      return !o.difficult && limits.hold(eval_area(o.box, pixel));
    });
    const auto judged = judge(objects, of_class.detections[i], threshold, pixel, limits);
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
    result.curve.ap = static_cast<float>(area_below(result.curve.recall, result.curve.precision));
  } else {
    float sum = 0;
    for (int i = 0; i <= 10; ++i) sum += static_cast<float>(best_precision(result.curve, i * 0.1));
    result.curve.ap = sum / 11;
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

/// What the classes have at one threshold, of objects of some size.
struct VocRound {
  std::vector<ClassResult> classes;
  double mean = 0;  ///< Over the classes that have objects; 0 where none has.
};

VocRound evaluate_classes(const std::vector<VocClass>& classes, double threshold,
                          const VocEvaluatorOptions& options, const AreaLimits& limits) {
  VocRound round;
  std::vector<float> annotated;
  for (const VocClass& of_class : classes) {
    round.classes.push_back(
        evaluate_class(of_class, static_cast<float>(threshold), options, limits));
    const ClassResult& result = round.classes.back();
    if (result.objects > 0) annotated.push_back(static_cast<float>(result.curve.ap));
  }
  if (!annotated.empty()) {
    round.mean = pairwise_sum<float>(annotated) / static_cast<float>(annotated.size());
  }
  return round;
}

void add_table(const EvalTruths& truths, const VocRound& round, EvalReport& report) {
  size_t width = 8;
  for (const EvalCategory& category : truths.categories) {
    width = std::max(width, category.name.size());
  }
  report.text += fmt::format("{:{}}  {:>7}  {:>7}  {:>7}  {:>6}\n", "class", width, "objects",
                             "found", "recall", "AP");
  for (size_t k = 0; k < round.classes.size(); ++k) {
    const auto& [objects, found, curve] = round.classes[k];
    report.text +=
        fmt::format("{:{}}  {:7}  {:7}  {:7.3f}  {:6.3f}\n", truths.categories[k].name, width,
                    objects, found, curve.recall.empty() ? 0.0 : curve.recall.back(), curve.ap);
  }
  report.text +=
      fmt::format("{:{}}  {:>7}  {:>7}  {:>7}  {:6.3f}\n", "mAP", width, "", "", "", round.mean);
}

void add_curves(const EvalTruths& truths, const VocRound& round, EvalReport& report) {
  for (size_t k = 0; k < round.classes.size(); ++k) {
    if (round.classes[k].objects == 0) continue;
    report.curves.push_back(round.classes[k].curve);
    report.curves.back().name = truths.categories[k].name;
  }
  report.mean_curve = mean_curve_of(report.curves, round.mean);
}

}  // namespace

VocEvaluator::VocEvaluator(const VocEvaluatorOptions& options, const EvalTruths& truths)
    : options_(options), truths_(truths) {
  for (const std::string& metric : options.metric.values) {
    if (metric != "mAP") fail<UsageError>("[voc] metric must be mAP, got ", metric);
  }
  check_thresholds("voc", options.iou_thr.values);
  for (const auto& [least, below] : options.scale_ranges) {
    if (!(least >= 0 && least < below)) {
      fail<UsageError>("[voc] scale_ranges are pairs of ascending sides in pixels, got [", least,
                       ", ", below, "]");
    }
  }
}

EvalReport VocEvaluator::evaluate(const std::vector<ImageDetections>& detections) const {
  const std::vector<VocClass> classes = deal(truths_, detections);
  EvalReport report;
  report.numbers.emplace_back("map", 0);
  for (const double threshold : options_.iou_thr.values) {
    if (options_.iou_thr.values.size() > 1) {
      report.text += fmt::format("IoU {:.2f}:\n", threshold);
    }
    const std::string name = fmt::format("ap{:02}", static_cast<int>(threshold * 100));
    const VocRound all = evaluate_classes(classes, threshold, options_, {});
    add_table(truths_, all, report);
    report.numbers.emplace_back(name, all.mean);
    report.numbers[0].second += all.mean / static_cast<double>(options_.iou_thr.values.size());
    for (const auto& [least, below] : options_.scale_ranges) {
      const std::string sides = fmt::format("{}-{}", least, below);
      report.text += "sides " + sides + ":\n";
      const VocRound some = evaluate_classes(
          classes, threshold, options_,
          {.least = static_cast<float>(least * least), .below = static_cast<float>(below * below)});
      add_table(truths_, some, report);
      report.numbers.emplace_back(fmt::format("{}/{}", name, sides), some.mean);
    }
    if (threshold == 0.5) add_curves(truths_, all, report);
  }
  return report;
}

}  // namespace kestrel
