#include <kestrel/detection/evaluation/coco_evaluator.h>

#include <algorithm>

#include <fmt/format.h>

#include <kestrel/detection/evaluation/coco_results.h>
#include <kestrel/detection/evaluation/eval_arithmetic.h>
#include <kestrel/detection/evaluation/recall_evaluator.h>
#include <kestrel/registry/nearest_name.h>

namespace kestrel {
namespace {

const EvaluatorRegistration<CocoEvaluator, CocoEvaluatorOptions> kCocoEvaluator{
    "CocoEvaluator", "COCO's numbers of boxes, masks and proposals"};

constexpr const char* kProposal = "proposal";
constexpr const char* kProposalFast = "proposal_fast";

/// The twelve numbers by our names and by MMDetection's.
struct StatNames {
  std::array<std::string, 12> ours, theirs;

  explicit StatNames(const std::array<int64_t, 3>& most)
      : ours{"ap", "ap50", "ap75", "ap_s", "ap_m", "ap_l"}, theirs{"mAP",   "mAP_50", "mAP_75",
                                                                   "mAP_s", "mAP_m",  "mAP_l"} {
    for (size_t m = 0; m < 3; ++m) {
      ours[6 + m] = fmt::format("ar{}", most[m]);
      theirs[6 + m] = fmt::format("AR@{}", most[m]);
    }
    for (size_t a = 0; a < 3; ++a) {
      const char size = "sml"[a];
      ours[9 + a] = fmt::format("ar_{}", size);
      theirs[9 + a] = fmt::format("AR_{}@{}", size, most[2]);
    }
  }
};

/// The places of the numbers that are asked for, or these.
std::vector<size_t> chosen_stats(const std::vector<std::string>& items, const StatNames& names,
                                 std::vector<size_t> otherwise) {
  if (items.empty()) return otherwise;
  std::vector<size_t> chosen;
  for (const std::string& item : items) {
    const auto at = std::ranges::find(names.theirs, item);
    if (at == names.theirs.end()) {
      fail<UsageError>("[coco] metric_items has '", item, "', which is no number",
                       did_you_mean(item, {names.theirs.begin(), names.theirs.end()}));
    }
    chosen.push_back(static_cast<size_t>(at - names.theirs.begin()));
  }
  return chosen;
}

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
  if (report.curves.empty()) return;
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
  const std::vector<std::string> known = {"bbox", "segm", kProposal, kProposalFast};
  for (const std::string& metric : options.metric.values) {
    if (std::ranges::find(known, metric) == known.end()) {
      fail<UsageError>("[coco] metric must be bbox, segm, proposal or proposal_fast, got ", metric);
    }
    if (metric == kProposalFast) continue;
    const StatNames names(limits_of(metric).max_detections);
    static_cast<void>(chosen_stats(options.metric_items.values, names, {}));
  }
  for (const char* metric : {"bbox", kProposal}) check_limits(limits_of(metric));
}

CocoEvalLimits CocoEvaluator::limits_of(const std::string& metric) const {
  const bool proposals = metric == kProposal || metric == kProposalFast;
  CocoEvalLimits limits{.class_agnostic = proposals,
                        .max_detections = proposals ? options_.proposal_nums : options_.max_dets,
                        .area_bounds = options_.areas};
  if (!options_.iou_thrs.empty()) limits.iou_thresholds = options_.iou_thrs;
  return limits;
}

void CocoEvaluator::add_detection_numbers(const CocoEvalResult& result, EvalReport& report) const {
  const std::string prefix = result.metric == CocoMetric::kSegm ? "segm_" : "";
  const StatNames names(result.limits.max_detections);
  for (const size_t i : chosen_stats(options_.metric_items.values, names, {0, 1, 2, 3, 4, 5, 8})) {
    report.numbers.emplace_back(prefix + names.ours[i], result.stats[i]);
  }
  if (options_.classwise) {
    for (size_t k = 0; k < result.categories.size(); ++k) {
      report.numbers.emplace_back(prefix + "ap/" + result.categories[k].name, result.class_ap[k]);
    }
  }
  report.text += coco_summary(result) + coco_class_table(result);
}

void CocoEvaluator::add_proposal_numbers(const CocoEvalResult& result, EvalReport& report) const {
  const auto& most = options_.proposal_nums;
  const std::vector<double>& thresholds = result.limits.iou_thresholds;
  const StatNames names(most);
  for (const size_t i : chosen_stats(options_.metric_items.values, names, {6, 7, 8, 9, 10, 11})) {
    report.numbers.emplace_back("proposal_" + names.ours[i], result.stats[i]);
  }
  const char* const areas[] = {"all", "all", "all", "small", "medium", "large"};
  for (size_t i = 0; i < std::size(areas); ++i) {
    report.text += fmt::format(
        " Average Recall     (AR) @[ IoU={:.2f}:{:.2f} | area={:>6} | maxDets={:>4} ] = {:.3f}\n",
        thresholds.front(), thresholds.back(), areas[i], most[std::min<size_t>(i, 2)],
        result.stats[6 + i]);
  }
}

void CocoEvaluator::add_fast_numbers(const std::vector<ImageDetections>& detections,
                                     EvalReport& report) const {
  const std::vector<int64_t> counts(options_.proposal_nums.begin(), options_.proposal_nums.end());
  const auto table =
      box_recalls(truths_, detections, counts, limits_of(kProposalFast).iou_thresholds);
  for (size_t n = 0; n < counts.size(); ++n) {
    report.numbers.emplace_back(fmt::format("proposal_fast_ar{}", counts[n]), table[n].back());
    report.text += fmt::format(" AR@{:<5} {:.4f}\n", counts[n], table[n].back());
  }
}

EvalReport CocoEvaluator::evaluate(const std::vector<ImageDetections>& detections) const {
  EvalReport report;
  const std::vector<CocoEvalDetection> found = coco_detections(truths_, detections);
  for (const std::string& metric : options_.metric.values) {
    if (options_.metric.values.size() > 1) report.text += metric + ":\n";
    if (metric == kProposalFast) {
      add_fast_numbers(detections, report);
      continue;
    }
    if (metric == kProposal) {
      add_proposal_numbers(evaluate_coco(truths_, found, CocoMetric::kBbox, limits_of(metric)),
                           report);
      continue;
    }
    const CocoEvalResult result =
        evaluate_coco(truths_, found, coco_metric_from_string(metric), limits_of(metric));
    add_detection_numbers(result, report);
    if (report.curves.empty() && result.limits.iou_thresholds.front() == .5) {
      add_curves(result, report);
    }
  }
  return report;
}

}  // namespace kestrel
