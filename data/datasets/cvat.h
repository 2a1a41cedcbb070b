#pragma once

#include <cstddef>
#include <span>

#include <kestrel/data/datasets/records.h>

namespace kestrel {

/// "CVAT for images 1.1": <image name width height> with <box xtl ytl xbr ybr> and <polygon
/// points="x,y;x,y">, each with a label; classes in the order of <meta>. Other shapes (points,
/// polylines, skeletons, tags) are told as problems, by kind. Throws DataError where the text is
/// not that.
Records parse_cvat(std::span<const std::byte> xml, std::vector<std::string>& problems);

struct CvatDatasetOptions : RecordsOptions {};

/// CVAT's annotations.xml, ann_file, and its pictures in img_prefix.
class CvatDataset : public RecordsDataset {
 public:
  explicit CvatDataset(const CvatDatasetOptions& options);

 private:
  CvatDataset(const CvatDatasetOptions& options, Complaints complaints);
};

}  // namespace kestrel
