#pragma once

#include <string>
#include <vector>

#include <kestrel/data/datasets/dataset.h>

namespace kestrel {

struct YoloDatasetOptions {
  std::string ann_file{};
  std::string split = "train";
  std::string data_root{};
  std::vector<std::string> classes{};
  bool filter_empty_gt = false;
  bool test_mode = false;
  bool with_mask = false;
  bool strict = false;
  PartOptions part{};

  template <class V>
  void visit(V& v) {
    v("ann_file", ann_file, "the data set's YAML");
    v("split", split, "train, val or test; these two stand in for each other");
    v("data_root", data_root, "put before ann_file where that is relative");
    v("classes", classes, "names to keep; empty: all");
    v("filter_empty_gt", filter_empty_gt, "training: leave out images without objects");
    v("test_mode", test_mode, "keep every image");
    v("with_mask", with_mask, "keep the polygons in memory");
    v("strict", strict, "what is wrong stops the run instead of being left out");
    part.visit(v);
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
