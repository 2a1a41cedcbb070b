#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <kestrel/detection/evaluation/coco_text_ids.h>
#include <kestrel/detection/masks/rle_mask.h>

namespace kestrel {

struct EvalImage {
  int64_t id = 0;
  int64_t height = 0, width = 0;  ///< Of the original image; needed for polygons only.
};

struct EvalCategory {
  int64_t id = 0;
  std::string name;
};

/// An annotated object. Box and mask are in pixels of the original image; the metric says which of
/// the two must be there.
struct EvalTruth {
  int64_t id = 0;  ///< Unique. One with id 0 never counts as found, as in the COCO authors' code.
  int64_t image_id = 0;
  int64_t category_id = 0;
  std::array<double, 4> bbox{};  ///< x, y, w, h.
  std::optional<double> area;    ///< Decides between small, medium and large; else of box or mask.
  bool crowd = false;            ///< A group: what lies in it is neither right nor wrong.
  bool ignore = false;  ///< Neither to be found nor wrong to find, such as VOC's difficult.
  RleMask mask;
};

/// What was annotated.
struct EvalTruths {
  std::string source = "ground truth";   ///< Name of the file, for messages.
  std::vector<EvalImage> images;         ///< All images looked at, with objects or without.
  std::vector<EvalCategory> categories;  ///< By label where a data set is evaluated.
  std::vector<EvalTruth> annotations;
  CocoTextIds image_texts{};  ///< Ids of images that are text in the file.
};

}  // namespace kestrel
