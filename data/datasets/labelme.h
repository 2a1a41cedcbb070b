#pragma once

#include <kestrel/data/datasets/records.h>

namespace kestrel {

/// A picture as a JSON text of LabelMe's says it: shapes with label, points and shape_type
/// (polygon, rectangle, circle); those of one label and group_id are one object,
/// and one with the flag "difficult" is that. Lines and points
/// have no area: each is told as a problem. Throws DataError that says what is wrong.
PictureRecord parse_labelme(std::string_view json, std::vector<std::string>& problems);

struct LabelMeDatasetOptions : RecordsOptions {};

/// LabelMe's files: a folder, ann_file, of one JSON for each picture. The pictures are where
/// imagePath says, from the JSON's folder, or in img_prefix. Pixels in imageData are not read.
class LabelMeDataset : public RecordsDataset {
 public:
  explicit LabelMeDataset(const LabelMeDatasetOptions& options);

 private:
  LabelMeDataset(const LabelMeDatasetOptions& options, Complaints complaints);
};

}  // namespace kestrel
