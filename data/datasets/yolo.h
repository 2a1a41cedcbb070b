#pragma once

#include <string>
#include <vector>

#include <kestrel/data/datasets/dataset.h>

namespace kestrel {

struct YoloDatasetOptions {
  std::string ann_file{};              ///< The data set's YAML.
  std::string split = "train";         ///< train, val or test; these two stand in for each other.
  std::string data_root{};             ///< Put before ann_file where that is relative.
  std::vector<std::string> classes{};  ///< Names to keep; empty: all.
  bool filter_empty_gt = false;        ///< Training: leave out images without objects.
  bool test_mode = false;              ///< Keep every image.
  bool strict = false;                 ///< What is wrong stops instead of being dropped.

  template <class V>
  void visit(V& v) {
    v("ann_file", ann_file);
    v("split", split);
    v("data_root", data_root);
    v("classes", classes);
    v("filter_empty_gt", filter_empty_gt);
    v("test_mode", test_mode);
    v("strict", strict);
  }
};

/// Images with YOLO label files, as Ultralytics lays them out (yolo_yaml.h, yolo_labels.h). An
/// image without a label file, or with an empty one, is background, which is trained on. Labels
/// keep the order of the YAML's names; an image's id is its place in the sorted list, from 1. The
/// size comes from the image file; one that has none is dropped. Throws DataError where the YAML is
/// not usable or nothing is left to train on.
class YoloDataset : public Dataset {
 public:
  explicit YoloDataset(const YoloDatasetOptions& options);
};

}  // namespace kestrel
