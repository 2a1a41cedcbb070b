#pragma once

#include <string>
#include <vector>

#include <kestrel/data/datasets/dataset.h>

namespace kestrel {

/// Keys as in MMDetection's configs.
struct CocoDatasetOptions {
  std::string ann_file{};              ///< instances_*.json.
  std::string img_prefix{};            ///< Folder that the file names are relative to.
  std::string seg_prefix{};            ///< Folder of pictures of classes, as .png; empty: none.
  std::string data_root{};             ///< Put before the ones above where they are relative.
  std::vector<std::string> classes{};  ///< Names to keep, by label; empty: all of the file.
  bool filter_empty_gt = true;         ///< Training: leave out images without objects.
  bool test_mode = false;              ///< Keep every image.
  bool with_mask = false;              ///< Keep the segmentations in memory.
  bool strict = false;                 ///< What is wrong stops instead of being dropped.
  bool index_cache = true;             ///< Keep what a large ann_file says in a file beside it.

  template <class V>
  void visit(V& v) {
    v("ann_file", ann_file);
    v("img_prefix", img_prefix);
    v("seg_prefix", seg_prefix);
    v("data_root", data_root);
    v("classes", classes);
    v("filter_empty_gt", filter_empty_gt);
    v("test_mode", test_mode);
    v("with_mask", with_mask);
    v("strict", strict);
    v("index_cache", index_cache);
  }
};

/// COCO's annotations, with MMDetection's rules: images in the order of the file; for training only
/// images with an annotation of these classes and with both sides >= 32; not trained on:
/// annotations marked `ignore`, of no area, narrower or lower than 1 pixel, or wholly outside the
/// image. Labels are in the order of `classes`, else of the file's categories; a class is known by
/// its name. In test_mode the file need not have all of the classes. Images that are not in their
/// folder are looked for around it. Throws DataError where the file is not usable at all or nothing
/// is left to train on.
class CocoDataset : public Dataset {
 public:
  explicit CocoDataset(const CocoDatasetOptions& options);
};

}  // namespace kestrel
