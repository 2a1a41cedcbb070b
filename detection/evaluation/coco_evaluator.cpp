#include <kestrel/detection/evaluation/coco_evaluator.h>

#include <algorithm>
#include <cstdio>

#include <kestrel/detection/evaluation/coco_results.h>

namespace kestrel {
namespace {

const EvaluatorRegistration<CocoEvaluator, CocoEvaluatorOptions> kCocoEvaluator{
    "CocoEvaluator", "COCO's numbers of boxes, masks and proposals"};

constexpr const char* kProposal = "proposal";

std::vector<double> recall_axis() {
  std::vector<double> recalls;
  for (int64_t r = 0; r < CocoEvalResult::kRecalls; ++r) {
    recalls.push_back(static_cast<double>(r) / 100);
  }
  return recalls;
}

void add_curves(const CocoEvalResult& result, EvalReport& report) {
  for (int64_t k = 0; k < std::ssize(result.categories); ++k) {
    std::vector<double> precision = result.precision_recall(k);
    if (precision.empty()) continue;
    const auto at = static_cast<size_t>(k);
    if (report.mean_curve.precision.empty()) report.mean_curve.precision.resize(precision.size());
    for (size_t r = 0; r < precision.size(); ++r) report.mean_curve.precision[r] += precision[r];
    report.curves.push_back({.name = result.categories[at].name,
                             .ap = result.class_ap50[at],
                             .recall = recall_axis(),
                             .precision = std::move(precision)});
  }
  const auto count = static_cast<double>(report.curves.size());
  for (double& value : report.mean_curve.precision) value /= count;
  report.mean_curve.recall = recall_axis();
  report.mean_curve.ap = result.ap50();
}

}  // namespace

std::vector<CocoEvalDetection> coco_detections(const EvalTruths& truths,
                                               const std::vector<ImageDetections>& detections) {
  std::vector<int64_t> category_ids;
  for (const EvalCategory& category : truths.categories) category_ids.push_back(category.id);
  std::vector<CocoEvalDetection> result;
  for (const ImageDetections& image : detections) {
    append_coco_detections(image.found, image.image_id, category_ids, result);
  }
  return result;
}

CocoEvaluator::CocoEvaluator(const CocoEvaluatorOptions& options, const EvalTruths& truths)
    : options_(options), truths_(truths) {
  if (options.metric.values.empty()) fail<UsageError>("[coco] there is no metric to evaluate");
  for (const std::string& metric : options.metric.values) {
    if (metric != kProposal && metric != "bbox" && metric != "segm") {
      fail<UsageError>("[coco] metric must be bbox, segm or proposal, got ", metric);
    }
  }
  const auto& counts = options.proposal_nums;
  if (counts[0] < 1 || !std::ranges::is_sorted(counts)) {
    fail<UsageError>("[coco] proposal_nums must be three ascending numbers from 1, got ", counts[0],
                     ", ", counts[1], " and ", counts[2]);
  }
}

void CocoEvaluator::add_detection_numbers(const CocoEvalResult& result, EvalReport& report) const {
  const std::string prefix = result.metric == CocoMetric::kSegm ? "segm_" : "";
  const auto add = [&](const char* name, double value) {
    report.numbers.emplace_back(prefix + name, value);
  };
  add("ap", result.stats[0]);
  add("ap50", result.stats[1]);
  add("ap75", result.stats[2]);
  add("ap_s", result.stats[3]);
  add("ap_m", result.stats[4]);
  add("ap_l", result.stats[5]);
  add("ar100", result.stats[8]);
  if (options_.classwise) {
    for (size_t k = 0; k < result.categories.size(); ++k) {
      add(("ap/" + result.categories[k].name).c_str(), result.class_ap[k]);
    }
  }
  report.text += coco_summary(result) + coco_class_table(result);
}

void CocoEvaluator::add_proposal_numbers(const CocoEvalResult& result, EvalReport& report) const {
  const auto& most = options_.proposal_nums;
  const char* const areas[] = {"all", "all", "all", "small", "medium", "large"};
  const std::string names[] = {"ar" + std::to_string(most[0]),
                               "ar" + std::to_string(most[1]),
                               "ar" + std::to_string(most[2]),
                               "ar_s",
                               "ar_m",
                               "ar_l"};
  for (size_t i = 0; i < std::size(names); ++i) {
    report.numbers.emplace_back("proposal_" + names[i], result.stats[6 + i]);
    char line[160];
    std::snprintf(line, sizeof line,
                  " Average Recall     (AR) @[ IoU=0.50:0.95 | area=%6s | maxDets=%4lld ] = %.3f\n",
                  areas[i], static_cast<long long>(most[std::min<size_t>(i, 2)]),
                  result.stats[6 + i]);
    report.text += line;
  }
}

EvalReport CocoEvaluator::evaluate(const std::vector<ImageDetections>& detections) const {
  EvalReport report;
  const std::vector<CocoEvalDetection> found = coco_detections(truths_, detections);
  for (const std::string& metric : options_.metric.values) {
    if (options_.metric.values.size() > 1) report.text += metric + ":\n";
    if (metric == kProposal) {
      add_proposal_numbers(
          evaluate_coco(truths_, found, CocoMetric::kBbox,
                        {.class_agnostic = true, .max_detections = options_.proposal_nums}),
          report);
      continue;
    }
    const CocoEvalResult result = evaluate_coco(truths_, found, coco_metric_from_string(metric));
    add_detection_numbers(result, report);
    if (report.curves.empty()) add_curves(result, report);
  }
  return report;
}

}  // namespace kestrel
