// Built with -ffp-contract=off: overlaps are compared with thresholds and with each other.
#include <kestrel/detection/evaluation/recall_evaluator.h>

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include <fmt/format.h>

#include <kestrel/detection/evaluation/eval_arithmetic.h>

namespace kestrel {
namespace {

const EvaluatorRegistration<RecallEvaluator, RecallEvaluatorOptions> kRecallEvaluator{
    "RecallEvaluator", "The share of objects that boxes find, without classes"};

/// The objects and the boxes of an image, these best score first.
struct RecallImage {
  std::vector<Box> objects, boxes;
};

std::vector<RecallImage> recall_images(const EvalTruths& truths,
                                       const std::vector<ImageDetections>& detections) {
  std::unordered_map<int64_t, size_t> image_at;
  for (const EvalImage& image : truths.images) image_at.emplace(image.id, image_at.size());
  std::vector<RecallImage> images(image_at.size());
  for (const EvalTruth& truth : truths.annotations) {
    const auto image = image_at.find(truth.image_id);
    if (image == image_at.end() || truth.crowd || truth.ignore) continue;
    const auto& [x, y, w, h] = truth.bbox;
    images[image->second].objects.push_back({static_cast<float>(x), static_cast<float>(y),
                                             static_cast<float>(x + w), static_cast<float>(y + h)});
  }
  for (const auto& [image_id, found] : detections) {
    const auto image = image_at.find(image_id);
    if (image == image_at.end()) {
      fail<DataError>("[recall] image ", image_id, " is not among the annotated images");
    }
    const float* scores = found.scores.data<float>();
    std::vector<int64_t> order(static_cast<size_t>(found.scores.numel()));
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::greater(), [&](int64_t i) { return scores[i]; });
    for (const int64_t i : order) {
      const float* b = found.boxes.data<float>() + 4 * i;
      images[image->second].boxes.push_back({b[0], b[1], b[2], b[3]});
    }
  }
  return images;
}

/// Overlaps of an image's objects [G] with its boxes [P].
struct Overlaps {
  size_t boxes = 0;
  std::vector<float> iou;
};

/// What each object's box overlaps it by, with the best `most` boxes: the two that overlap most
/// belong together, then the two of the others that do, and so on.
void append_best(const Overlaps& overlaps, size_t objects, size_t most, std::vector<float>& all) {
  most = std::min(most, overlaps.boxes);
  if (most == 0) {
    all.insert(all.end(), objects, 0.0F);
    return;
  }
  std::vector<char> taken(most);
  std::vector<size_t> at(objects);
  std::vector<float> best(objects);
  const auto look = [&](size_t g) {
    best[g] = -1;
    for (size_t p = 0; p < most; ++p) {
      const float iou = overlaps.iou[g * overlaps.boxes + p];
      if (!taken[p] && iou > best[g]) {
        best[g] = iou;
        at[g] = p;
      }
    }
  };
  std::vector<size_t> rest(objects);
  std::iota(rest.begin(), rest.end(), size_t{0});
  for (const size_t g : rest) look(g);
  while (!rest.empty()) {
    const auto first = std::ranges::max_element(rest, {}, [&](size_t g) { return best[g]; });
    const size_t g = *first;
    all.push_back(best[g]);
    rest.erase(first);
    if (best[g] < 0) continue;
    taken[at[g]] = 1;
    for (const size_t other : rest) {
      if (at[other] == at[g]) look(other);
    }
  }
}

}  // namespace

std::vector<std::vector<double>> box_recalls(const EvalTruths& truths,
                                             const std::vector<ImageDetections>& detections,
                                             const std::vector<int64_t>& proposal_nums,
                                             const std::vector<double>& thresholds,
                                             bool legacy_coordinates) {
  const std::vector<RecallImage> images = recall_images(truths, detections);
  const float pixel = legacy_coordinates ? 1.0F : 0.0F;
  const auto most = static_cast<size_t>(proposal_nums.back());
  std::vector<Overlaps> overlaps(images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    overlaps[i].boxes = std::min(most, images[i].boxes.size());
    for (const Box& object : images[i].objects) {
      for (size_t p = 0; p < overlaps[i].boxes; ++p) {
        overlaps[i].iou.push_back(eval_iou(object, images[i].boxes[p], pixel));
      }
    }
  }
  std::vector<std::vector<double>> table;
  for (const int64_t count : proposal_nums) {
    std::vector<float> best;
    for (size_t i = 0; i < images.size(); ++i) {
      append_best(overlaps[i], images[i].objects.size(), static_cast<size_t>(count), best);
    }
    std::vector<double>& row = table.emplace_back();
    for (const double threshold : thresholds) {
      const auto found =
          std::ranges::count_if(best, [&](float iou) { return double{iou} >= threshold; });
      row.push_back(best.empty() ? -1
                                 : static_cast<double>(found) / static_cast<double>(best.size()));
    }
    row.push_back(pairwise_sum<double>(row) / static_cast<double>(row.size()));
  }
  return table;
}

void check_proposal_nums(const char* who, const std::vector<int64_t>& proposal_nums) {
  if (proposal_nums.empty() || proposal_nums[0] < 1 || !std::ranges::is_sorted(proposal_nums)) {
    fail<UsageError>("[", who, "] proposal_nums must be ascending numbers from 1, got [",
                     fmt::format("{}", fmt::join(proposal_nums, ", ")), "]");
  }
}

RecallEvaluator::RecallEvaluator(const RecallEvaluatorOptions& options, const EvalTruths& truths)
    : options_(options), truths_(truths) {
  for (const std::string& metric : options.metric.values) {
    if (metric != "recall") fail<UsageError>("[recall] metric must be recall, got ", metric);
  }
  check_thresholds("recall", options.iou_thr.values);
  check_proposal_nums("recall", options.proposal_nums);
}

EvalReport RecallEvaluator::evaluate(const std::vector<ImageDetections>& detections) const {
  const std::vector<double>& thresholds = options_.iou_thr.values;
  const auto table = box_recalls(truths_, detections, options_.proposal_nums, thresholds,
                                 options_.legacy_coordinates);
  EvalReport report;
  report.text = fmt::format("{:>6}", "boxes");
  for (const double threshold : thresholds) report.text += fmt::format("  IoU {:<4}", threshold);
  report.text += thresholds.size() > 1 ? "      mean\n" : "\n";
  for (size_t n = 0; n < table.size(); ++n) {
    const int64_t count = options_.proposal_nums[n];
    report.text += fmt::format("{:6}", count);
    for (size_t t = 0; t < thresholds.size(); ++t) {
      report.numbers.emplace_back(fmt::format("recall@{}@{}", count, thresholds[t]), table[n][t]);
      report.text += fmt::format("  {:8.3f}", table[n][t]);
    }
    if (thresholds.size() > 1) report.text += fmt::format("  {:8.3f}", table[n].back());
    report.text += '\n';
  }
  for (size_t n = 0; thresholds.size() > 1 && n < table.size(); ++n) {
    report.numbers.emplace_back(fmt::format("ar{}", options_.proposal_nums[n]), table[n].back());
  }
  return report;
}

}  // namespace kestrel
