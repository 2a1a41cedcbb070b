// YOLO's label files, with key points and without.
#include <kestrel/data/datasets/yolo_labels.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const int64_t pose_values : {0, 6}) {
    const auto labels = kestrel::parse_yolo_labels({reinterpret_cast<const char*>(data), size},
                                                   {.num_classes = 3, .pose_values = pose_values});
    for (const auto& [label, corners, polygon] : labels.boxes) {
      const auto [x1, y1, x2, y2] = corners;
      const bool inside = 0 <= x1 && x1 < x2 && x2 <= 1 && 0 <= y1 && y1 < y2 && y2 <= 1;
      if (!inside || label < 0 || label > 2) __builtin_trap();
      if (polygon.empty()) continue;
      if (pose_values > 0 || polygon.size() < 6 || polygon.size() % 2 != 0) __builtin_trap();
      for (const double value : polygon) {
        if (!(0 <= value && value <= 1)) __builtin_trap();
      }
    }
  }
  return 0;
}
