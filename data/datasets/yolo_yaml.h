#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <kestrel/data/datasets/complaints.h>

namespace kestrel {

/// An Ultralytics data set file:
///
///   path: ../datasets/blood      # the folder of the rest; absent: that of this file
///   train: images/train          # a folder, a .txt list of images, or a list of these
///   val: images/val
///   test: images/test            # may be absent
///   names: {0: rbc, 1: wbc}      # or a list
struct YoloYaml {
  /// Folders and lists of images.
  struct Part {
    std::vector<std::filesystem::path> sources;
    std::string problem;  ///< Why it cannot be used, for a DataError; empty where it can.
    bool is_named() const { return !sources.empty() || !problem.empty(); }
    bool is_there() const { return !sources.empty() && problem.empty(); }
  };
  std::vector<std::string> names;  ///< By class number.
  Part train, val, test;
  int64_t pose_values = 0;  ///< Numbers of the key points behind each box (kpt_shape: [17, 3]).

  /// "train", "val" or "test", or what stands in for it: val and test for each other. Empty where
  /// there is neither.
  std::string part_for(const std::string& split) const;
  const Part& part(const std::string& name) const;
};

/// Throws DataError that names the file, the key and what was looked for; a part that is not there
/// matters when it is asked for. `path` is taken as it is, beside the file, beside the file's
/// folder, and in $KESTREL_DATA. A folder is what yolo_tree() finds in it.
YoloYaml read_yolo_yaml(const std::filesystem::path& file);

/// A folder with pictures and label files and without a YAML: images/train and labels/train (or
/// train/images and train/labels; val, valid, test likewise), images/ and labels/ alone, pictures
/// and labels side by side, or CVAT's obj_train_data. Classes are the lines of classes.txt,
/// obj.names or names.txt, in the folder or in labels/; where there is none, "class 0" to the
/// largest number in the labels. No part is named where no label is found.
YoloYaml yolo_tree(const std::filesystem::path& folder);

/// Whether it looks like such a file: YAML with `names` and a part.
bool is_yolo_yaml(const std::filesystem::path& file);

/// The images of a part in the order of their paths: files below its folders, and the lines of its
/// lists, which are relative to the list's folder. Images of formats that are not read are
/// reported.
std::vector<std::filesystem::path> list_yolo_images(
    const std::vector<std::filesystem::path>& sources, Complaints& complaints);

/// The last folder of the path that is named images becomes labels (Images, which is no name of
/// Ultralytics': Labels, or labels where there are those), and the extension .txt.
std::filesystem::path yolo_label_file(const std::filesystem::path& image);

}  // namespace kestrel
