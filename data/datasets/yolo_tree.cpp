#include <algorithm>
#include <charconv>
#include <optional>

#include <kestrel/data/datasets/class_map.h>
#include <kestrel/data/datasets/image_folder.h>
#include <kestrel/data/datasets/split_files.h>
#include <kestrel/data/datasets/yolo_yaml.h>
#include <kestrel/data/file.h>
#include <kestrel/data/image.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

bool is_class_list(const std::string& name) {
  return name == "classes.txt" || name == "obj.names" || name == "names.txt";
}

/// Whether a picture of the folder, or of one below it, has a label file.
bool has_labels(const fs::path& folder) {
  std::error_code code;
  for (auto at = fs::recursive_directory_iterator(folder, code);
       at != fs::recursive_directory_iterator(); at.increment(code)) {
    if (code || at.depth() > 3) break;
    if (has_picture_name(at->path().string()) && fs::exists(yolo_label_file(at->path()), code)) {
      return true;
    }
  }
  return false;
}

/// The folders that may hold the pictures of parts: images/train, train/images, train,
/// obj_train_data.
std::vector<fs::path> part_folders(const fs::path& root) {
  std::vector<fs::path> found;
  for (const fs::path& folder : folders_in(root)) {
    if (part_word(folder.filename().string()).empty()) {
      for (const fs::path& below : folders_in(folder)) {
        const bool images = words_of_name(folder.filename().string()).front() == "images";
        if (images && !part_word(below.filename().string()).empty()) found.push_back(below);
      }
    } else {
      const fs::path images = folder / "images";
      std::error_code code;
      found.push_back(fs::is_directory(images, code) ? images : folder);
    }
  }
  return found;
}

/// Of train/images the part is named by the folder above.
std::string part_of(const fs::path& folder) {
  const std::string own = part_word(folder.filename().string());
  return own.empty() ? part_word(folder.parent_path().filename().string()) : own;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<fs::path> places = {folder, folder / "labels"};
  for (const fs::path& below : folders_in(folder / "labels")) places.push_back(below);
  for (const fs::path& below : folders_in(folder)) places.push_back(below);
  std::error_code code;
  for (const fs::path& place : places) {
    for (const char* name : {"classes.txt", "obj.names", "names.txt"}) {
      if (fs::is_regular_file(place / name, code)) return read_lines("yolo", place / name);
    }
  }
  return {};
}

/// One more than the largest class number in the label files below the folder.
int64_t count_classes(const fs::path& folder) {
  int64_t count = 0;
  std::error_code code;
  for (auto at = fs::recursive_directory_iterator(folder, code);
       at != fs::recursive_directory_iterator(); at.increment(code)) {
    if (code || at.depth() > 4) break;
    const fs::path& file = at->path();
    if (file.extension() != ".txt" || is_class_list(file.filename().string())) continue;
    for (const std::string& line : read_lines("yolo", file)) {
      int64_t number = -1;
      std::from_chars(line.data(), line.data() + line.size(), number);
      if (number < 10'000) count = std::max(count, number + 1);
    }
  }
  return count;
}

}  // namespace

YoloYaml yolo_tree(const fs::path& root) {
  YoloYaml out;
  for (const fs::path& folder : part_folders(root)) {
    if (!has_labels(folder)) continue;
    const std::string part = part_of(folder);
    YoloYaml::Part& own = is_same_part(part, "val")    ? out.val
                          : is_same_part(part, "test") ? out.test
                                                       : out.train;
    own.sources.push_back(folder);
  }
  if (!out.train.is_there() && !out.val.is_there() && !out.test.is_there()) {
    std::error_code code;
    fs::path images = root / "images";
    if (!fs::is_directory(images, code)) images = root;
    if (has_labels(images)) out.train.sources.push_back(images);
  }
  if (!out.train.is_there() && !out.val.is_there() && !out.test.is_there()) return out;
  for (const std::string& line : names_in(root)) out.names.push_back(class_name_of(line));
  if (out.names.empty()) {
    for (int64_t i = 0; i < count_classes(root); ++i) {
      out.names.push_back("class " + std::to_string(i));
    }
  }
  return out;
}

}  // namespace kestrel
