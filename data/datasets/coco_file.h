#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <kestrel/data/datasets/complaints.h>
#include <kestrel/data/datasets/dataset.h>
#include <kestrel/detection/evaluation/coco_text_ids.h>

namespace kestrel {

/// A COCO annotation file as it stands, checked item by item but not yet put together. Ids of
/// images and annotations may be text; they are then those of `image_ids` and `annotation_ids`.
struct CocoFile {
  struct Category {
    int64_t id = 0;
    std::string name;
  };
  struct Record {
    int64_t id = 0, image_id = 0, category_id = 0;
    std::array<double, 4> bbox{};
    double area = std::numeric_limits<double>::quiet_NaN();  ///< NaN where not given.
    bool crowd = false, ignore = false;
  };
  std::vector<ImageInfo> images;  ///< `file` as written; width 0 where not given.
  std::vector<Record> annotations;
  /// Of the annotations; empty unless asked for.
  std::vector<std::shared_ptr<const Segmentation>> segmentations;
  std::vector<Category> categories;
  CocoTextIds image_ids, annotation_ids;
};

/// Parses the text of a file of this name, UTF-8 with or without a byte order mark, UTF-16 or
/// UTF-32; behind the text there must be kJsonPadding readable bytes. An item that cannot be used
/// is reported and left out; a file that is not JSON or not COCO's throws DataError with the
/// position.
CocoFile parse_coco_file(std::string_view json, const std::string& path, bool with_mask,
                         Complaints& complaints);

inline constexpr size_t kJsonPadding = 64;

}  // namespace kestrel
