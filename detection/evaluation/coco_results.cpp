#include <kestrel/detection/evaluation/coco_results.h>

#include <charconv>

#include <nlohmann/json.hpp>

namespace kestrel {
namespace {

template <class T>
void append_number(std::string& text, T value) {
  char buffer[32];
  text.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

/// Of the characters of compressed run lengths, JSON escapes the backslash alone.
void append_mask(std::string& text, const RleMask& mask) {
  text += "{\"size\": [";
  append_number(text, mask.height);
  text += ", ";
  append_number(text, mask.width);
  text += "], \"counts\": \"";
  for (const char c : mask_to_string(mask)) {
    if (c == '\\') text += '\\';
    text += c;
  }
  text += "\"}";
}

}  // namespace

void append_coco_detections(const Detections& detections, int64_t image_id,
                            std::span<const int64_t> category_ids,
                            std::vector<CocoEvalDetection>& out) {
  if (!detections.scores || detections.scores.numel() == 0) return;
  const auto boxes = detections.boxes.values<float>();
  const auto scores = detections.scores.values<float>();
  const auto labels = detections.labels.values<int64_t>();
  KESTREL_CHECK(boxes.size() == scores.size() * 4 && labels.size() == scores.size(),
                "[coco] detections need a box, a score and a label each, got ", boxes.size() / 4,
                " boxes, ", scores.size(), " scores and ", labels.size(), " labels");
  KESTREL_CHECK(detections.masks.empty() || detections.masks.size() == scores.size(),
                "[coco] detections need a mask each, or none has one, got ",
                detections.masks.size(), " masks and ", scores.size(), " scores");
  for (size_t i = 0; i < scores.size(); ++i) {
    KESTREL_CHECK(labels[i] >= 0 && labels[i] < std::ssize(category_ids), "[coco] label ",
                  labels[i], " has no category among ", category_ids.size());
    const double x1 = boxes[4 * i], y1 = boxes[4 * i + 1], x2 = boxes[4 * i + 2],
                 y2 = boxes[4 * i + 3];
    out.push_back({.image_id = image_id,
                   .category_id = category_ids[labels[i]],
                   .score = scores[i],
                   .bbox = {x1, y1, x2 - x1, y2 - y1}});
    if (!detections.masks.empty()) out.back().mask = detections.masks[i];
  }
}

std::string coco_results_json(std::span<const CocoEvalDetection> detections, CocoMetric metric,
                              const CocoResultIds& ids) {
  std::string text = "[";
  for (const CocoEvalDetection& detection : detections) {
    if (ids.unknown_categories.contains(detection.category_id)) continue;
    if (text.size() > 1) text += ",\n";
    text += "{\"image_id\": ";
    if (const auto id = ids.image_texts.find(detection.image_id); id != ids.image_texts.end()) {
      text += nlohmann::json(id->second).dump();
    } else {
      append_number(text, detection.image_id);
    }
    text += ", \"category_id\": ";
    append_number(text, detection.category_id);
    if (metric == CocoMetric::kSegm) {
      text += ", \"segmentation\": ";
      append_mask(text, detection.mask);
    } else {
      for (int i = 0; i < 4; ++i) {
        text += i == 0 ? ", \"bbox\": [" : ", ";
        append_number(text, detection.bbox[i]);
      }
      text += ']';
    }
    text += ", \"score\": ";
    append_number(text, detection.score);
    text += '}';
  }
  return text + "]\n";
}

}  // namespace kestrel
