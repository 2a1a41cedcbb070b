#include <algorithm>
#include <filesystem>
#include <set>

#include <kestrel/data/datasets/complaints.h>
#include <kestrel/data/datasets/voc.h>
#include <kestrel/data/datasets/voc_file.h>
#include <kestrel/data/file.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

// The first token of a line: class lists of VOC have a second column.
std::string first_token(const std::string& line) {
  return line.substr(0, line.find_first_of(" \t"));
}

// JPEGImages/<id>.jpg, another extension, or what <filename> says.
std::string find_image(const fs::path& root, const std::string& id, const std::string& filename) {
  const fs::path folder = root / "JPEGImages";
  std::error_code code;
  for (const char* extension : {".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".bmp"}) {
    const fs::path file = folder / (id + extension);
    if (fs::exists(file, code)) return file.string();
  }
  const fs::path named = folder / fs::path(filename).filename();
  if (named != folder / "" && fs::exists(named, code)) return named.string();
  return (folder / (id + ".jpg")).string();
}

// Every class that the tree names, so that train and test agree.
std::vector<std::string> discover_classes(const fs::path& folder) {
  std::set<std::string> names;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    if (entry.path().extension() != ".xml") continue;
    for (const auto& object : parse_voc_file(read_file("voc", entry.path())).objects) {
      if (!object.name.empty()) names.insert(object.name);
    }
  }
  return {names.begin(), names.end()};
}

std::vector<std::string> choose_classes(const VocDatasetOptions& options, const fs::path& root) {
  if (!options.classes.empty()) return options.classes;
  std::error_code code;
  const fs::path full = fs::weakly_canonical(root, code);
  const std::string year = (full.has_filename() ? full : full.parent_path()).filename().string();
  if (year == "VOC2007" || year == "VOC2012") return voc_classes();
  return discover_classes(root / "Annotations");
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
  const std::vector<std::string>& classes;
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
    found.insert(name);
    const auto label = std::ranges::find(classes, name);
    if (label == classes.end()) {
      if (options.classes.empty()) drop("is of an unknown class");  // else a subset was asked for
      return;
    }
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
    a.label = label - classes.begin();
    a.bbox = {x1 - 1, y1 - 1, width, height};  // int(float(text)) - 1, as MMDetection
    a.area = width * height;
    const auto min_size = static_cast<double>(options.min_size);
    a.difficult =
        object.difficult || (!options.test_mode && (width < min_size || height < min_size));
    out.push_back(a);
  }
};

// Of the classes that were asked for, a part of the set may have none; but not of any of them.
void check_classes(const VocDatasetOptions& options, const std::set<std::string>& found,
                   const std::string& list, Complaints& complaints) {
  const std::vector<std::string> there_are(found.begin(), found.end());
  const bool any =
      std::ranges::any_of(options.classes, [&](const auto& name) { return found.contains(name); });
  for (const std::string& name : options.classes) {
    if (found.contains(name)) continue;
    if (!any) fail<DataError>("[voc] ", list, ": has ", no_such_class(name, there_are));
    complaints.note(list, " has ", no_such_class(name, there_are));
  }
}

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
  const fs::path list = fs::path(options.data_root) / options.ann_file;
  if (options.ann_file.empty()) fail<UsageError>("[voc] ann_file is not set");
  for (const char* folder : {"Annotations", "JPEGImages"}) {
    std::error_code code;
    if (!fs::is_directory(root / folder, code)) {
      fail<DataError>("[voc] ", (root / folder).string(), ": the folder does not exist");
    }
  }
  const std::vector<std::string> lines = read_lines("voc", list);
  if (lines.empty()) fail<DataError>("[voc] ", list.string(), ": names no images");
  const std::vector<std::string> classes = choose_classes(options, root);
  if (classes.empty()) {
    fail<DataError>("[voc] ", (root / "Annotations").string(), ": no object has a class");
  }

  Complaints complaints("[voc] " + root.string(), options.strict);
  VocReader reader{options, classes, complaints};
  constexpr int64_t kMinSide = 32;
  int64_t empty = 0, small = 0;
  std::set<std::string> seen;
  for (size_t line = 0; line < lines.size(); ++line) {
    const std::string id = first_token(lines[line]);
    const std::string file = "Annotations/" + id + ".xml";
    if (!seen.insert(id).second) {
      complaints.dropped(list.filename().string(), " names ", id, " twice");
      continue;
    }
    VocFile annotation;
    try {
      annotation = parse_voc_file(read_file("voc", root / file));
    } catch (const DataError& error) {
      complaints.dropped("the annotation cannot be read: ", error.what());
      continue;
    }
    if (!annotation.problem.empty()) {
      complaints.dropped(file, ": ", annotation.problem);
      continue;
    }
    ImageInfo image;
    image.id = static_cast<int64_t>(line) + 1;
    image.file = find_image(root, id, annotation.filename);
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
    if (!options.test_mode) {
      const bool too_small = std::min(image.width, image.height) < kMinSide;
      const bool no_objects = options.filter_empty_gt && objects.empty();
      small += too_small;
      empty += no_objects && !too_small;
      if (too_small || no_objects) continue;
    }
    add_image(std::move(image), objects);
  }
  set_classes(classes);
  check_classes(options, reader.found, list.string(), complaints);
  finish(complaints, list.string(), !options.test_mode);
  if (size() == 0) {
    fail<DataError>("[voc] ", list.string(), ": no image is left of ", lines.size(), ": ", empty,
                    " without an object of the ", num_classes(), " classes, ", small,
                    " with a side under ", kMinSide, " pixels");
  }
}

}  // namespace kestrel
