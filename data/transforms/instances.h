#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include <kestrel/data/image.h>
#include <kestrel/detection/masks/instance_mask.h>
#include <kestrel/kernels/common/box.h>

namespace kestrel {

/// The class of every pixel of an image, or of a smaller copy of it; kNone where nothing is said.
struct SemanticMap {
  static constexpr uint8_t kNone = 255;
  int64_t height = 0, width = 0;
  std::vector<uint8_t> classes;  ///< Row by row.

  bool empty() const { return classes.empty(); }
};

/// The nearest pixels of a map, as OpenCV's INTER_NEAREST takes them.
SemanticMap resized(const SemanticMap& map, int64_t height, int64_t width);

/// Everything that is annotated in an image. What happens to the image happens to all of it.
struct Instances {
  std::vector<Box> boxes;
  std::vector<int64_t> labels;           ///< Of `boxes`.
  std::vector<Box> ignored;              ///< Crowds and difficult objects.
  std::vector<InstanceMask> masks = {};  ///< Of `boxes`; empty where they were not asked for.
  std::vector<Box> proposals = {};
  SemanticMap semantic = {};

  /// The image is resized.
  void resize(ImageSize from, ImageSize to);
  /// It is mirrored left to right, or top to bottom.
  void mirror(int64_t width);
  void turn_over(int64_t height);
  /// It is moved by (dx, dy) on a canvas of another size: cropped, or put on a larger one. Boxes
  /// may reach out of it.
  void place(int64_t dx, int64_t dy, int64_t height, int64_t width);
  /// Only what is drawn grows: boxes do not know of the canvas.
  void pad(int64_t height, int64_t width);
  /// Boxes are cut to the image.
  void clip(int64_t height, int64_t width);

  /// Removes the boxes, with their labels and masks, for which keep(box) is false.
  template <class F>
  void keep_boxes(F&& keep) {
    size_t kept = 0;
    for (size_t i = 0; i < boxes.size(); ++i) {
      if (!keep(boxes[i])) continue;
      boxes[kept] = boxes[i];
      labels[kept] = labels[i];
      if (!masks.empty() && kept != i) masks[kept] = std::move(masks[i]);
      ++kept;
    }
    boxes.resize(kept);
    labels.resize(kept);
    if (!masks.empty()) masks.resize(kept);
    std::erase_if(ignored, [&](const Box& b) { return !keep(b); });
    std::erase_if(proposals, [&](const Box& b) { return !keep(b); });
  }

 private:
  template <class F>
  void change_boxes(F&& change) {
    for (auto* list : {&boxes, &ignored, &proposals}) {
      for (Box& b : *list) b = change(b);
    }
  }
};

}  // namespace kestrel
