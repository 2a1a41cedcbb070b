#pragma once

#include <string>
#include <vector>

#include <kestrel/data/datasets/dataset.h>

namespace kestrel {

/// Keys as in MMDetection's configs.
struct CocoDatasetOptions {
  std::string ann_file{};
  std::string img_prefix{};
  std::string seg_prefix{};
  std::string data_root{};
  std::vector<std::string> classes{};
  bool filter_empty_gt = true;
  bool test_mode = false;
  bool with_mask = false;
  bool strict = false;
  bool index_cache = true;
  PartOptions part{};

  template <class V>
  void visit(V& v) {
    v("ann_file", ann_file, "instances_*.json");
    v("img_prefix", img_prefix, "folder that the file names are relative to");
    v("seg_prefix", seg_prefix, "folder of pictures of classes, as .png; empty: none");
    v("data_root", data_root, "put before the ones above where they are relative");
    v("classes", classes, "names to keep, by label; empty: all of the file");
    v("filter_empty_gt", filter_empty_gt, "training: leave out images without objects");
    v("test_mode", test_mode, "keep every image");
    v("with_mask", with_mask, "keep the segmentations in memory");
    v("strict", strict, "what is wrong stops the run instead of being left out");
    v("index_cache", index_cache, "keep what a large ann_file says in a file beside it");
    part.visit(v);
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
