#include <algorithm>
#include <cstdio>

#include <kestrel/detection/evaluation/coco_eval.h>

namespace kestrel {
namespace {

struct Line {
  const char* title;
  const char* type;
  const char* iou;
  const char* area;
  int max_detections;
};

constexpr const char* kPrecision = "Average Precision";
constexpr const char* kRecall = "Average Recall";
constexpr const char* kAllIous = "0.50:0.95";

constexpr std::array<Line, 12> kLines{{
    {kPrecision, "(AP)", kAllIous, "all", 100},
    {kPrecision, "(AP)", "0.50", "all", 100},
    {kPrecision, "(AP)", "0.75", "all", 100},
    {kPrecision, "(AP)", kAllIous, "small", 100},
    {kPrecision, "(AP)", kAllIous, "medium", 100},
    {kPrecision, "(AP)", kAllIous, "large", 100},
    {kRecall, "(AR)", kAllIous, "all", 1},
    {kRecall, "(AR)", kAllIous, "all", 10},
    {kRecall, "(AR)", kAllIous, "all", 100},
    {kRecall, "(AR)", kAllIous, "small", 100},
    {kRecall, "(AR)", kAllIous, "medium", 100},
    {kRecall, "(AR)", kAllIous, "large", 100},
}};

}  // namespace

const std::array<std::string_view, 12>& coco_stat_names() {
  static constexpr std::array<std::string_view, 12> names{
      "AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"};
  return names;
}

std::string coco_summary(const CocoEvalResult& result) {
  std::string text;
  for (size_t i = 0; i < kLines.size(); ++i) {
    const Line& line = kLines[i];
    char buffer[160];
    std::snprintf(buffer, sizeof buffer,
                  " %-18s %s @[ IoU=%-9s | area=%6s | maxDets=%3d ] = %.3f\n", line.title,
                  line.type, line.iou, line.area, line.max_detections, result.stats[i]);
    text += buffer;
  }
  return text;
}

std::string coco_class_table(const CocoEvalResult& result) {
  size_t width = 8;
  for (const auto& category : result.categories) width = std::max(width, category.name.size());
  const auto row = [&](std::string name, const std::string& ap, const std::string& ap50) {
    name.resize(width, ' ');
    return name + "  " + ap + "  " + ap50 + '\n';
  };
  const auto number = [](double value) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%6.3f", value);
    return std::string(buffer);
  };
  std::string text = row("category", "    AP", "  AP50");
  for (size_t k = 0; k < result.categories.size(); ++k)
    text +=
        row(result.categories[k].name, number(result.class_ap[k]), number(result.class_ap50[k]));
  return text;
}

}  // namespace kestrel
