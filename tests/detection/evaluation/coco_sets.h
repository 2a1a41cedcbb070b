#pragma once

#include <cstdint>
#include <string>

namespace kestrel::test {

/// A small made-up data set with results, as COCO JSON texts.
struct CocoSet {
  std::string truths;
  std::string results;
};

constexpr int kCocoSets = 500;

/// Set number `index`, the same on every machine. Between them the sets have crowds, `ignore`
/// flags, tied scores, boxes without area, areas of exactly 1024 and 9216, images without
/// annotations, more than 100 detections in an image, annotation id 0, categories that are not
/// listed, polygons and run lengths compressed and not; results with boxes, with masks and with
/// both.
CocoSet make_coco_set(int index);

}  // namespace kestrel::test
