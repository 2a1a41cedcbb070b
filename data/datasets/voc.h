#pragma once

#include <string>
#include <vector>

#include <kestrel/data/datasets/dataset.h>

namespace kestrel {

/// Keys as in MMDetection's configs.
struct VocDatasetOptions {
  std::string ann_file{};
  std::string img_prefix{};
  std::string data_root{};
  std::string ann_subdir = "Annotations";
  std::string img_subdir = "JPEGImages";
  std::vector<std::string> classes{};
  int64_t min_size = 0;
  bool filter_empty_gt = true;
  bool test_mode = false;
  bool strict = false;
  PartOptions part{};

  template <class V>
  void visit(V& v) {
    v("ann_file", ann_file,
      "list of image names, such as ImageSets/Main/train.txt; empty: every annotation");
    v("img_prefix", img_prefix, "folder with JPEGImages and Annotations");
    v("data_root", data_root, "put before the two above where they are relative");
    v("ann_subdir", ann_subdir, "folder of the annotations in img_prefix");
    v("img_subdir", img_subdir, "folder of the pictures in img_prefix");
    v("classes", classes,
      "by label; empty: all that the annotations name, sorted, or VOC's twenty in a tree named "
      "VOC2007 or VOC2012 whose annotations name no others");
    v("min_size", min_size, "objects with a smaller side are ignored in training");
    v("filter_empty_gt", filter_empty_gt, "training: leave out images without objects");
    v("test_mode", test_mode, "keep every image");
    v("strict", strict, "what is wrong stops the run instead of being left out");
    part.visit(v);
  }
};

/// Pascal VOC's XML annotations, with MMDetection's rules: one is subtracted from all four
/// coordinates, then continuous; difficult objects are ignored in training. A degenerate box is
/// dropped. An image's id is its line in the list, from 1; without a list, its place among the
/// annotations.
/// Throws DataError where the list is not usable at all or nothing is left.
class VocDataset : public Dataset {
 public:
  explicit VocDataset(const VocDatasetOptions& options);
  /// {type: VocEvaluator}; with 11 points for a folder called VOC2007, whose rule that was.
  Config evaluator() const override;

 private:
  bool is_voc2007_ = false;
};

/// The twenty classes of VOC 2007 to 2012, in MMDetection's order.
const std::vector<std::string>& voc_classes();

}  // namespace kestrel
