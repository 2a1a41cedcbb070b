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

namespace kestrel {

/// A COCO annotation file as it stands, checked item by item but not yet put together.
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
};

/// Parses the text of a file of this name; behind the text there must be kJsonPadding readable
/// bytes. An item that cannot be used is reported and left out; a file that is not JSON or not
/// COCO's throws DataError with the position.
CocoFile parse_coco_file(std::string_view json, const std::string& path, bool with_mask,
                         Complaints& complaints);

inline constexpr size_t kJsonPadding = 64;

}  // namespace kestrel
