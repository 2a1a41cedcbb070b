#pragma once

#include <string>
#include <vector>

#include <kestrel/data/datasets/dataset.h>

namespace kestrel {

/// Keys as in MMDetection's configs.
struct VocDatasetOptions {
  std::string ann_file{};              ///< List of image names, such as ImageSets/Main/train.txt.
  std::string img_prefix{};            ///< Folder with JPEGImages and Annotations.
  std::string data_root{};             ///< Put before the two above where they are relative.
  std::vector<std::string> classes{};  ///< By label. Empty: all that the annotations name, sorted;
                                       ///< VOC's twenty in a tree named VOC2007 or VOC2012 whose
                                       ///< annotations name no others.
  int64_t min_size = 0;                ///< Objects with a smaller side are ignored in training.
  bool filter_empty_gt = true;         ///< Training: leave out images without objects.
  bool test_mode = false;              ///< Keep every image.
  bool strict = false;                 ///< What is wrong stops instead of being dropped.

  template <class V>
  void visit(V& v) {
    v("ann_file", ann_file);
    v("img_prefix", img_prefix);
    v("data_root", data_root);
    v("classes", classes);
    v("min_size", min_size);
    v("filter_empty_gt", filter_empty_gt);
    v("test_mode", test_mode);
    v("strict", strict);
  }
};

/// Pascal VOC's XML annotations, with MMDetection's rules: one is subtracted from all four
/// coordinates, then continuous; difficult objects are ignored in training. A degenerate box is
/// dropped. An image's id is its line in the list, from 1.
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
