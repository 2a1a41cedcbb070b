#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include <kestrel/data/datasets/complaints.h>
#include <kestrel/data/datasets/dataset.h>
#include <kestrel/data/datasets/part.h>

namespace kestrel {

/// What a file says of one picture.
struct PictureRecord {
  struct Object {
    std::string name;
    std::array<double, 4> corners{};              ///< x1, y1, x2, y2 in pixels.
    std::vector<std::vector<double>> polygons{};  ///< Each x0, y0, x1, y1, ...; or none.
    bool difficult = false;
  };
  std::string file;               ///< Of the picture, as it is written.
  int64_t width = 0, height = 0;  ///< 0 where the file does not say.
  std::vector<Object> objects;
  std::string source;  ///< Which file, and where in it, says so: for messages.
};

/// The box around points x0, y0, x1, y1, ...
std::array<double, 4> box_around(const std::vector<double>& points);

/// Of data sets that are read whole: those of labelling tools.
struct RecordsOptions {
  std::string ann_file{};
  std::string img_prefix{};
  std::string data_root{};
  std::vector<std::string> classes{};
  bool filter_empty_gt = false;
  bool test_mode = false;
  bool with_mask = false;
  bool strict = false;
  PartOptions part{};

  template <class V>
  void visit(V& v) {
    v("ann_file", ann_file, "the file of the annotations, or the folder of such files");
    v("img_prefix", img_prefix, "folder of the pictures; empty: that of ann_file");
    v("data_root", data_root, "put before the two above where they are relative");
    v("classes", classes, "by label; empty: all that the annotations name, sorted");
    v("filter_empty_gt", filter_empty_gt, "training: leave out images without objects");
    v("test_mode", test_mode, "keep every image");
    v("with_mask", with_mask, "keep the polygons in memory");
    v("strict", strict, "what is wrong stops the run instead of being left out");
    part.visit(v);
  }
};

/// What a reader has made of a data set.
struct Records {
  std::vector<PictureRecord> pictures;
  /// In the file's order, where it lists them; else they are those of the objects, sorted.
  std::vector<std::string> classes{};
  bool are_shares = false;  ///< Numbers are shares of the picture's width and height.
};

/// Pictures and objects as a reader found them. A picture is looked for in img_prefix by its name
/// as written, then without its folders; one that has no size is measured. A box without a side is
/// dropped, one that reaches past its picture is cut. An image's id is its place, from 1. Throws
/// DataError where no picture is found or nothing is left to train on.
class RecordsDataset : public Dataset {
 public:
  /// The file or folder that ann_file names.
  static std::filesystem::path source_of(const RecordsOptions& options);

 protected:
  RecordsDataset(std::string name, Records records, const RecordsOptions& options,
                 Complaints& complaints);
};

}  // namespace kestrel
