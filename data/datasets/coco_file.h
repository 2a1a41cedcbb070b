#pragma once

#include <cstdint>
#include <optional>
#include <string>
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
    std::optional<double> area;
    bool crowd = false, ignore = false;
    std::shared_ptr<const Segmentation> segmentation;
  };
  std::vector<ImageInfo> images;  ///< `file` as written; width 0 where not given.
  std::vector<Record> annotations;
  std::vector<Category> categories;
};

/// Parses the file. An item that cannot be used is reported and left out; a file that is not JSON
/// or not COCO's throws DataError with the position.
CocoFile read_coco_file(const std::string& path, bool with_mask, Complaints& complaints);

}  // namespace kestrel
