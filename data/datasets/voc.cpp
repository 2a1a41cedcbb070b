#include <pugixml.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>

#include <kestrel/data/datasets/complaints.h>
#include <kestrel/data/datasets/voc.h>
#include <kestrel/data/file.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

std::optional<double> number(const char* text) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  while (end != text && (*end == ' ' || *end == '\n' || *end == '\r' || *end == '\t')) ++end;
  if (end == text || *end != '\0' || !std::isfinite(value)) return std::nullopt;
  return value;
}

// A side of an image; 0 where the text is none.
int64_t side(const char* text) {
  const double value = number(text).value_or(0);
  return value >= 1 && value <= kMaxImagePixels ? static_cast<int64_t>(value) : 0;
}

// The first token of a line: class lists of VOC have a second column.
std::string first_token(const std::string& line) {
  return line.substr(0, line.find_first_of(" \t"));
}

bool load_xml(const fs::path& path, pugi::xml_document& document, std::string& reason) {
  const auto bytes = read_file("voc", path);
  const pugi::xml_parse_result result = document.load_buffer(bytes.data(), bytes.size());
  if (!result) {
    reason = std::string(result.description()) + " at byte " + std::to_string(result.offset);
    return false;
  }
  if (!document.child("annotation")) {
    reason = "no <annotation> in it";
    return false;
  }
  return true;
}

// JPEGImages/<id>.jpg, another extension, or what <filename> says.
std::string find_image(const fs::path& root, const std::string& id, const pugi::xml_node& node) {
  const fs::path folder = root / "JPEGImages";
  std::error_code code;
  for (const char* extension : {".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".bmp"}) {
    const fs::path file = folder / (id + extension);
    if (fs::exists(file, code)) return file.string();
  }
  const fs::path named = folder / fs::path(node.child_value("filename")).filename();
  if (named != folder / "" && fs::exists(named, code)) return named.string();
  return (folder / (id + ".jpg")).string();
}

// Every class that the tree names, so that train and test agree.
std::vector<std::string> discover_classes(const fs::path& folder) {
  std::set<std::string> names;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    if (entry.path().extension() != ".xml") continue;
    pugi::xml_document document;
    std::string reason;
    if (!load_xml(entry.path(), document, reason)) continue;  // reported where it is used
    for (const auto& object : document.child("annotation").children("object")) {
      const std::string name = object.child_value("name");
      if (!name.empty()) names.insert(name);
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

struct Reader {
  const VocDatasetOptions& options;
  const std::vector<std::string>& classes;
  Complaints& complaints;
  int64_t next_id = 1;
  std::set<std::string> found{};  // the names of all objects

  void read_object(const pugi::xml_node& node, int64_t index, const std::string& file,
                   const ImageInfo& image, std::vector<Annotation>& out) {
    const std::string name = node.child_value("name");
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
    const pugi::xml_node box = node.child("bndbox");
    if (!box) return drop("has no <bndbox>");
    double v[4];
    const char* keys[] = {"xmin", "ymin", "xmax", "ymax"};
    for (int k = 0; k < 4; ++k) {
      const std::string text = box.child_value(keys[k]);
      const auto value = number(text.c_str());
      if (!value) return drop("has ", keys[k], " '", text, "', which is not a number");
      v[k] = std::trunc(*value) - 1;  // int(float(text)) - 1, as MMDetection
    }
    const double width = v[2] - v[0], height = v[3] - v[1];
    if (width <= 0 || height <= 0) {
      return drop("has the degenerate box xmin ", v[0] + 1, ", ymin ", v[1] + 1, ", xmax ",
                  v[2] + 1, ", ymax ", v[3] + 1);
    }
    if (v[2] <= 0 || v[3] <= 0 || v[0] >= static_cast<double>(image.width) ||
        v[1] >= static_cast<double>(image.height)) {
      return drop("has the box xmin ", v[0] + 1, ", ymin ", v[1] + 1, ", xmax ", v[2] + 1,
                  ", ymax ", v[3] + 1, " outside the ", image.width, "x", image.height, " image");
    }
    Annotation a;
    a.id = next_id++;
    a.label = label - classes.begin();
    a.bbox = {v[0], v[1], width, height};
    a.area = width * height;
    const auto min_size = static_cast<double>(options.min_size);
    a.difficult = number(node.child_value("difficult")).value_or(0) != 0 ||
                  (!options.test_mode && (width < min_size || height < min_size));
    out.push_back(a);
  }
};

// Of the classes that were asked for, a part of the set may have none; but not of any of them.
void check_classes(const VocDatasetOptions& options, const std::set<std::string>& found,
                   const std::string& list, Complaints& complaints) {
  const std::vector<std::string> there_are(found.begin(), found.end());
  const bool any = std::ranges::any_of(options.classes,
                                       [&](const auto& name) { return found.contains(name); });
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

VocDataset::VocDataset(const VocDatasetOptions& options) : Dataset("voc") {
  const fs::path root = fs::path(options.data_root) / options.img_prefix;
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
  Reader reader{options, classes, complaints};
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
    pugi::xml_document document;
    std::string reason;
    try {
      if (!load_xml(root / file, document, reason)) {
        complaints.dropped(file, ": not usable XML: ", reason);
        continue;
      }
    } catch (const DataError& error) {
      complaints.dropped("the annotation cannot be read: ", error.what());
      continue;
    }
    const pugi::xml_node node = document.child("annotation");
    ImageInfo image;
    image.id = static_cast<int64_t>(line) + 1;
    image.file = find_image(root, id, node);
    image.width = side(node.child("size").child_value("width"));
    image.height = side(node.child("size").child_value("height"));
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
    for (const auto& object : node.children("object")) {
      reader.read_object(object, ++index, file, image, objects);
    }
    if (!options.test_mode) {
      const bool too_small = std::min(image.width, image.height) < kMinSide;
      const bool no_objects = options.filter_empty_gt && objects.empty();
      small += too_small;
      empty += no_objects && !too_small;
      if (too_small || no_objects) continue;
    }
    add_image(std::move(image), std::move(objects));
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
