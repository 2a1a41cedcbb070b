#pragma once

#include <string_view>

#include <kestrel/data/datasets/records.h>

namespace kestrel {

struct CustomDatasetOptions : RecordsOptions {};

/// MMDetection's middle format: a JSON list of {filename, width, height, ann: {bboxes [[x1, y1, x2,
/// y2], ...], labels, bboxes_ignore, labels_ignore}}. Labels are numbers: `names` has their names;
/// a number beyond them is told as a problem. Throws DataError that says what is wrong.
Records parse_middle(std::string_view json, const std::vector<std::string>& names,
                     std::vector<std::string>& problems);

/// A file of the middle format, ann_file, and its pictures in img_prefix. Classes are `classes`, by
/// label; without them the lines of classes.txt beside the file; else "class 0" and so on.
class CustomDataset : public RecordsDataset {
 public:
  explicit CustomDataset(const CustomDatasetOptions& options);

 private:
  CustomDataset(const CustomDatasetOptions& options, Complaints complaints);
};

}  // namespace kestrel
