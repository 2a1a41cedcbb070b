#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>

#include <kestrel/data/datasets/class_map.h>
#include <kestrel/data/datasets/complaints.h>
#include <kestrel/data/datasets/voc.h>
#include <kestrel/data/datasets/voc_file.h>
#include <kestrel/data/file.h>
#include <kestrel/kernels/parallel.h>
#include <kestrel/tensor/text.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

// The name of an image in a line of a list: all of it where there is such an annotation, since
// names may have blanks; else without the second column of VOC's class lists, or an extension.
std::string name_in_line(const std::string& line, const fs::path& annotations) {
  const auto is_there = [&](const std::string& name) {
    std::error_code code;
    return fs::exists(annotations / (name + ".xml"), code);
  };
  std::string name = line;
  if (is_there(name)) return name;
  const size_t blank = name.find_last_of(" \t");
  if (blank != std::string::npos) {
    const std::string column = name.substr(blank + 1);
    if (column == "1" || column == "-1" || column == "0") {
      name.resize(name.find_last_not_of(" \t", blank) + 1);
    }
  }
  const size_t dot = name.find_last_of('.');
  if (!is_there(name) && dot != std::string::npos && is_there(name.substr(0, dot))) {
    name.resize(dot);
  }
  return name;
}

// <id>.jpg, another extension, or what <filename> says.
std::string find_image(const fs::path& folder, const std::string& id, const std::string& filename) {
  std::error_code code;
  for (const char* extension :
       {".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".bmp", ".webp", ".tif", ".tiff"}) {
    const fs::path file = folder / (id + extension);
    if (fs::exists(file, code)) return file.string();
  }
  const fs::path named = folder / fs::path(filename).filename();
  if (named != folder / "" && fs::exists(named, code)) return named.string();
  return (folder / (id + ".jpg")).string();
}

std::vector<fs::path> annotation_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    if (entry.path().extension() == ".xml") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

// The names of the images, by the lines of a list or by the files of a folder.
std::vector<std::string> image_names(const fs::path& list, const fs::path& folder) {
  std::vector<std::string> names;
  if (!list.empty()) {
    names = read_lines("voc", list);
    if (names.empty()) fail<DataError>("[voc] ", list.string(), ": names no images");
    return names;
  }
  for (const fs::path& file : annotation_files(folder)) names.push_back(file.stem().string());
  if (names.empty()) fail<DataError>("[voc] ", folder.string(), ": holds no .xml file");
  return names;
}

// Every class that the tree names, so that train and test agree. Throws DataError where it names
// none.
std::vector<std::string> discover_classes(const fs::path& folder) {
  const std::vector<fs::path> files = annotation_files(folder);
  std::set<std::string> names;
  std::map<fs::path, std::string> problems;
  std::mutex mutex;
  parallel_for(static_cast<int64_t>(files.size()), 64, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const VocFile file = parse_voc_file(read_file("voc", files[i]));
      const std::lock_guard lock(mutex);
      if (!file.problem.empty()) problems.emplace(files[i].filename(), file.problem);
      for (const auto& object : file.objects) {
        if (!object.name.empty()) names.insert(object.name);
      }
    }
  });
  if (names.empty()) {
    const std::string reason =
        problems.empty()
            ? ""
            : "; " + std::to_string(problems.size()) + " cannot be read, the first is " +
                  problems.begin()->first.string() + ": " + problems.begin()->second;
    fail<DataError>("[voc] ", folder.string(), ": no object of the ", files.size(),
                    " annotations has a class", reason);
  }
  return {names.begin(), names.end()};
}

// VOC's own twenty, of which a part of VOC may lack some, else those that there are.
std::vector<std::string> choose_classes(const fs::path& root, const fs::path& folder) {
  std::vector<std::string> found = discover_classes(folder);
  std::error_code code;
  const fs::path full = fs::weakly_canonical(root, code);
  const std::string year = (full.has_filename() ? full : full.parent_path()).filename().string();
  if (year != "VOC2007" && year != "VOC2012") return found;
  const bool vocs_own = std::ranges::all_of(found, [](const std::string& name) {
    return std::ranges::find(voc_classes(), name) != voc_classes().end();
  });
  return vocs_own ? voc_classes() : found;
}

std::string box_text(const std::array<double, 4>& corners) {
  std::ostringstream text;
  text << "box xmin " << corners[0] << ", ymin " << corners[1] << ", xmax " << corners[2]
       << ", ymax " << corners[3];
  return text.str();
}

/// Turns objects into annotations.
struct VocReader {
  const VocDatasetOptions& options;
  const std::map<std::string, int64_t>& label_of;
  Complaints& complaints;
  int64_t next_id = 1;
  std::set<std::string> found{};  // the names of all objects

  void add_object(const VocFile::Object& object, int64_t index, const std::string& file,
                  const ImageInfo& image, std::vector<Annotation>& out) {
    const std::string& name = object.name;
    const auto drop = [&](const auto&... why) {
      complaints.dropped(file, ": object ", index, " (", name.empty() ? "no name" : name, ") ",
                         why...);
    };
    if (name.empty()) return drop("is of an unknown class");
    found.insert(name);
    const auto label = label_of.find(name);
    if (label == label_of.end()) return;  // told of by name
    if (!object.problem.empty()) return drop(object.problem);
    const auto [x1, y1, x2, y2] = object.corners;
    const double width = x2 - x1, height = y2 - y1;
    if (width <= 0 || height <= 0) return drop("has the degenerate ", box_text(object.corners));
    if (x2 <= 1 || y2 <= 1 || x1 > static_cast<double>(image.width) ||
        y1 > static_cast<double>(image.height)) {
      return drop("has the ", box_text(object.corners), " outside the ", image.width, "x",
                  image.height, " image");
    }
    Annotation a;
    a.id = next_id++;
    a.label = label->second;
    a.bbox = {x1 - 1, y1 - 1, width, height};  // int(float(text)) - 1, as MMDetection
    a.area = width * height;
    const auto min_size = static_cast<double>(options.min_size);
    a.difficult =
        object.difficult || (!options.test_mode && (width < min_size || height < min_size));
    out.push_back(a);
  }
};

}  // namespace

const std::vector<std::string>& voc_classes() {
  static const std::vector<std::string> names = {
      "aeroplane", "bicycle",     "bird",  "boat",        "bottle", "bus",      "car",
      "cat",       "chair",       "cow",   "diningtable", "dog",    "horse",    "motorbike",
      "person",    "pottedplant", "sheep", "sofa",        "train",  "tvmonitor"};
  return names;
}

Config VocDataset::evaluator() const {
  Config node = Config::map();
  node.set("type", "VocEvaluator");
  if (is_voc2007_) node.set("mode", "11points");
  return node;
}

VocDataset::VocDataset(const VocDatasetOptions& options) : Dataset("voc") {
  const fs::path root = fs::path(options.data_root) / options.img_prefix;
  is_voc2007_ = root.string().find("VOC2007") != std::string::npos;
  const fs::path folder = root / options.ann_subdir, pictures = root / options.img_subdir;
  for (const fs::path& path : {folder, pictures}) {
    std::error_code code;
    if (!fs::is_directory(path, code)) {
      fail<DataError>("[voc] ", path.string(), ": the folder does not exist");
    }
  }
  const fs::path list =
      options.ann_file.empty() ? fs::path() : fs::path(options.data_root) / options.ann_file;
  const fs::path source = list.empty() ? folder : list;
  const std::vector<std::string> lines = image_names(list, folder);
  const bool asked = !options.classes.empty();
  const std::vector<std::string> classes = asked ? options.classes : choose_classes(root, folder);
  std::map<std::string, int64_t> label_of;
  for (size_t i = 0; i < classes.size(); ++i) {
    label_of.emplace(class_name_of(classes[i]), static_cast<int64_t>(i));
  }

  Complaints complaints("[voc] " + root.string(), options.strict);
  VocReader reader{options, label_of, complaints};
  std::set<std::string> seen;
  for (size_t line = 0; line < lines.size(); ++line) {
    const std::string id = name_in_line(lines[line], folder);
    const std::string file = (fs::path(options.ann_subdir) / (id + ".xml")).string();
    if (!seen.insert(id).second) {
      complaints.dropped(source.filename().string(), " names ", id, " twice");
      continue;
    }
    VocFile annotation;
    try {
      annotation = parse_voc_file(read_file("voc", root / file));
    } catch (const DataError& error) {
      const char* hint =
          is_utf8(id) ? "" : " (the list is not UTF-8: save it as what the names are)";
      complaints.dropped("the annotation cannot be read: ", error.what(), hint);
      continue;
    }
    if (!annotation.problem.empty()) {
      complaints.dropped(file, ": ", annotation.problem);
      continue;
    }
    ImageInfo image;
    image.id = static_cast<int64_t>(line) + 1;
    image.file = find_image(pictures, id, annotation.filename);
    image.width = annotation.width;
    image.height = annotation.height;
    if (image.width <= 0 || image.height <= 0) {
      try {
        const ImageSize size = read_image_size(image.file);
        image.width = size.width;
        image.height = size.height;
      } catch (const DataError& error) {
        complaints.dropped(file, ": has no size, and ", error.what());
        continue;
      }
    }
    std::vector<Annotation> objects;
    int64_t index = 0;
    for (const VocFile::Object& object : annotation.objects) {
      reader.add_object(object, ++index, file, image, objects);
    }
    if (options.test_mode) {
      add_image(std::move(image), objects);
    } else {
      add_training_image(std::move(image), objects, options.filter_empty_gt);
    }
  }
  const std::vector<std::string> found(reader.found.begin(), reader.found.end());
  if (asked && !found.empty()) {
    map_classes(found, classes,
                {.where = source.string(),
                 .test_mode = options.test_mode,
                 .may_lack = true,
                 .tag = "[voc]"},
                complaints);
  }
  set_classes(classes);  // by label, with ids that do not depend on what a list has
  finish(complaints, {.file = source.string(),
                      .training = !options.test_mode,
                      .listed = static_cast<int64_t>(lines.size()),
                      .filter_empty = options.filter_empty_gt,
                      .part = options.part});
}

}  // namespace kestrel
