#pragma once

#include <string_view>

#include <kestrel/data/datasets/records.h>

namespace kestrel {

/// A table with a box in each line, and a header that names its columns, in any order and case:
///
///   file     filename, file, image, image_name, image_path, path, image_id, img
///   box      xmin, ymin, xmax, ymax (or x1, y1, x2, y2), or x, y, width, height (or w, h)
///   class    class, label, name, category, class_name, label_name; absent: all are "object"
///   size     width and height of the picture, where the box has its corners; may be absent
///
/// or without a header the lines path,x1,y1,x2,y2,class. Numbers that are all from 0 to 1 are
/// shares of the picture, as Open Images and TensorFlow have them. A line with a file alone is a
/// picture without objects. Fields may be quoted; the delimiter is a comma, semicolon or tab.
/// Lines that are not so are told as problems; throws DataError where no header can be made out.
Records parse_csv(std::string_view text, std::vector<std::string>& problems);

struct CsvDatasetOptions : RecordsOptions {};

/// A CSV file, ann_file, and its pictures in img_prefix.
class CsvDataset : public RecordsDataset {
 public:
  explicit CsvDataset(const CsvDatasetOptions& options);

 private:
  CsvDataset(const CsvDatasetOptions& options, Complaints complaints);
};

}  // namespace kestrel
