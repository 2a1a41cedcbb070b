#include <algorithm>

#include <fmt/format.h>

#include <kestrel/detection/evaluation/coco_eval.h>

namespace kestrel {
namespace {

struct Line {
  bool precision = true;
  double iou = 0;  // 0: of all thresholds.
  const char* area = "all";
  size_t max_detections = 2;  // Which of the three.
};

constexpr std::array<Line, 12> kLines{{{},
                                       {.iou = .5},
                                       {.iou = .75},
                                       {.area = "small"},
                                       {.area = "medium"},
                                       {.area = "large"},
                                       {.precision = false, .max_detections = 0},
                                       {.precision = false, .max_detections = 1},
                                       {.precision = false},
                                       {.precision = false, .area = "small"},
                                       {.precision = false, .area = "medium"},
                                       {.precision = false, .area = "large"}}};

}  // namespace

const std::array<std::string_view, 12>& coco_stat_names() {
  static constexpr std::array<std::string_view, 12> names{
      "AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"};
  return names;
}

std::string coco_summary(const CocoEvalResult& result) {
  const std::vector<double>& thresholds = result.limits.iou_thresholds;
  std::string text;
  for (size_t i = 0; i < kLines.size(); ++i) {
    const Line& line = kLines[i];
    const std::string iou =
        line.iou > 0 ? fmt::format("{:.2f}", line.iou)
                     : fmt::format("{:.2f}:{:.2f}", thresholds.front(), thresholds.back());
    text += fmt::format(" {:<18} {} @[ IoU={:<9} | area={:>6} | maxDets={:>3} ] = {:.3f}\n",
                        line.precision ? "Average Precision" : "Average Recall",
                        line.precision ? "(AP)" : "(AR)", iou, line.area,
                        result.limits.max_detections[line.max_detections], result.stats[i]);
  }
  return text;
}

std::string coco_class_table(const CocoEvalResult& result) {
  size_t width = 8;
  for (const auto& category : result.categories) width = std::max(width, category.name.size());
  std::string text = fmt::format("{:{}}  {:>6}  {:>6}\n", "category", width, "AP", "AP50");
  for (size_t k = 0; k < result.categories.size(); ++k)
    text += fmt::format("{:{}}  {:6.3f}  {:6.3f}\n", result.categories[k].name, width,
                        result.class_ap[k], result.class_ap50[k]);
  return text;
}

}  // namespace kestrel
