#pragma once

#include <kestrel/data/transforms/sample.h>

namespace kestrel {

/// Cuts the pixels to the window at (x, y) and moves the boxes with them, without dropping any.
void crop_sample(Sample& sample, int64_t x, int64_t y, int64_t width, int64_t height);

/// Removes the boxes (and labels) for which keep(box) is false.
template <class F>
void keep_boxes(Sample& sample, F&& keep) {
  size_t kept = 0;
  for (size_t i = 0; i < sample.boxes.size(); ++i) {
    if (!keep(sample.boxes[i])) continue;
    sample.boxes[kept] = sample.boxes[i];
    sample.labels[kept++] = sample.labels[i];
  }
  sample.boxes.resize(kept);
  sample.labels.resize(kept);
  std::erase_if(sample.ignored, [&](const Box& b) { return !keep(b); });
}

/// Clips the boxes to the image.
void clip_boxes(Sample& sample);

}  // namespace kestrel
