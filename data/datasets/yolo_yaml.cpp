#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <optional>
#include <system_error>

#include <kestrel/data/datasets/yolo_yaml.h>
#include <kestrel/data/file.h>
#include <kestrel/data/image.h>
#include <kestrel/registry/config.h>
#include <kestrel/tensor/text.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostBytes = 4 << 20;

bool is_there(const fs::path& path) {
  std::error_code code;
  return fs::exists(path, code);
}

Config parse(const fs::path& file) {
  const auto bytes = read_file_start("yolo", file, kMostBytes + 1);
  if (bytes.size() > kMostBytes) {
    fail<DataError>("[yolo] ", file.string(), ": is too large for a data set's YAML");
  }
  const DecodedText decoded =
      decode_text({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!decoded.problem.empty()) {
    fail<DataError>("[yolo] ", file.string(), ": ", decoded.problem, "; save it as UTF-8");
  }
  try {
    return Config::parse(decoded.text, file.string());
  } catch (const UsageError& error) {
    fail<DataError>("[yolo] ", error.what());
  }
}

std::string text_of(const Config& value) {
  return value.is_string() ? value.as_string() : value.describe();
}

// names as a list, or as a map from 0, 1, ...
std::vector<std::string> read_names(const Config& root, const fs::path& file) {
  const Config* names = root.find("names");
  if (names == nullptr || (!names->is_list() && !names->is_map()) || names->size() == 0) {
    fail<DataError>("[yolo] ", file.string(),
                    ": has no names, a list of the classes or a map from their numbers");
  }
  std::vector<std::string> out(static_cast<size_t>(names->size()));
  if (names->is_list()) {
    std::ranges::transform(names->items(), out.begin(), text_of);
    return out;
  }
  std::vector<bool> given(out.size());
  for (const auto& [key, value] : names->entries()) {
    const bool number = std::ranges::all_of(key, [](char c) { return c >= '0' && c <= '9'; });
    const size_t index = number && key.size() < 9 ? std::stoul(key) : out.size();
    if (index >= out.size() || given[index]) {
      fail<DataError>("[yolo] ", file.string(), ": names has the key '", key, "'; the ", out.size(),
                      " classes must have the numbers 0 to ", out.size() - 1);
    }
    given[index] = true;
    out[index] = text_of(value);
  }
  return out;
}

fs::path find_root(const Config& root, const fs::path& file) {
  fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const Config* given = root.find("path");
  if (given == nullptr || given->is_null()) return folder;
  const fs::path path = text_of(*given);
  std::vector<fs::path> places = {path};
  if (path.is_relative()) {
    places = {folder / path, path, folder / ".." / path};
    if (const char* data = std::getenv("KESTREL_DATA")) places.push_back(fs::path(data) / path);
  }
  std::string looked;
  for (const fs::path& place : places) {
    if (is_there(place)) return place;
    looked += (looked.empty() ? "'" : ", '") + place.lexically_normal().string() + "'";
  }
  fail<DataError>("[yolo] ", file.string(), ": its path is not there (looked for ", looked,
                  "); correct it, or remove it where the images lie beside this file");
}

/// Where an entry of a part is; empty where it is nowhere.
fs::path find_entry(const fs::path& folder, const std::string& entry) {
  std::string turned = entry;  // from Windows
  std::ranges::replace(turned, '\\', '/');
  for (const std::string& name : {entry, turned}) {
    if (is_there(folder / name)) return folder / name;
    // Roboflow writes ../train/images for what lies beside the file.
    if (name.starts_with("../") && is_there(folder / name.substr(3)))
      return folder / name.substr(3);
  }
  return {};
}

// A part's folders and lists.
YoloYaml::Part read_part(const Config& root, std::initializer_list<const char*> keys,
                         const fs::path& folder, const fs::path& file) {
  const Config* value = nullptr;
  for (const char* key : keys) {
    if (value == nullptr || value->is_null()) value = root.find(key);
  }
  std::vector<std::string> entries;
  if (value == nullptr || value->is_null()) return {};
  if (value->is_list()) {
    for (const Config& item : value->items()) entries.push_back(text_of(item));
  } else {
    entries.push_back(text_of(*value));
  }
  YoloYaml::Part out;
  for (const std::string& entry : entries) {
    out.sources.push_back(find_entry(folder, entry));
    if (!out.sources.back().empty()) continue;
    out.problem = "[yolo] " + file.string() + ": " + *keys.begin() + ": '" + entry +
                  "' is not there (looked for '" + (folder / entry).lexically_normal().string() +
                  "')";
    return out;
  }
  return out;
}

// kpt_shape: [17, 3], or [4, 2]: how many key points, and numbers of each.
int64_t read_pose_values(const Config& root, const fs::path& file) {
  const Config* shape = root.find("kpt_shape");
  if (shape == nullptr || shape->is_null()) return 0;
  try {
    const auto items = shape->items();
    if (items.size() == 2) {
      const int64_t count = items[0].as_int(), each = items[1].as_int();
      if (count >= 1 && count <= 10000 && (each == 2 || each == 3)) return count * each;
    }
  } catch (const UsageError&) {  // something else than a list of numbers
  }
  fail<DataError>("[yolo] ", file.string(), ": kpt_shape is ", shape->describe(),
                  ", not a number of key points and 2 or 3 numbers for each, as [17, 3]");
}

std::string lower_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension;
}

bool is_read(const std::string& extension) {
  return has_picture_name("x" + extension);
}

// Formats that Ultralytics reads and we do not.
bool is_foreign(const std::string& extension) {
  return has_unread_picture_name("x" + extension);
}

void add_folder(const fs::path& folder, std::vector<fs::path>& images) {
  std::error_code code;
  const auto options = fs::directory_options::follow_directory_symlink |
                       fs::directory_options::skip_permission_denied;
  constexpr int kDeepest = 16;  // a link back up is no endless loop
  for (auto at = fs::recursive_directory_iterator(folder, options, code);
       at != fs::recursive_directory_iterator(); at.increment(code)) {
    if (code) fail<DataError>("[yolo] ", folder.string(), ": ", code.message());
    if (at.depth() >= kDeepest) at.disable_recursion_pending();
    const std::string extension = lower_extension(at->path());
    if (is_read(extension) || is_foreign(extension)) images.push_back(at->path());
  }
}

// A line of a list, as seen from the list's folder, from where the program runs, or from one of the
// folders above the list: many are written as seen from the root of the data set.
fs::path find_listed(const fs::path& folder, const std::string& line) {
  std::string turned = line;  // from Windows
  std::ranges::replace(turned, '\\', '/');
  for (const std::string& name : {line, turned}) {
    for (const fs::path& place :
         {folder / name, fs::path(name), folder / ".." / name, folder / "../.." / name}) {
      if (is_there(place)) return place.lexically_normal();
    }
  }
  return (folder / line).lexically_normal();
}

void add_list(const fs::path& list, std::vector<fs::path>& images) {
  for (const std::string& line : read_lines("yolo", list)) {
    images.push_back(find_listed(list.parent_path(), line));
  }
}

}  // namespace

YoloYaml read_yolo_yaml(const fs::path& file) {
  std::error_code code;
  if (fs::is_directory(file, code)) return yolo_tree(file);
  const Config root = parse(file);
  if (!root.is_map()) fail<DataError>("[yolo] ", file.string(), ": is not a map of keys");
  YoloYaml out;
  out.names = read_names(root, file);
  if (const Config* count = root.find("nc");
      count != nullptr && text_of(*count) != std::to_string(out.names.size())) {
    fail<DataError>("[yolo] ", file.string(), ": nc is ", count->describe(), ", but there are ",
                    out.names.size(), " names");
  }
  out.pose_values = read_pose_values(root, file);
  const fs::path folder = find_root(root, file);
  out.train = read_part(root, {"train"}, folder, file);
  out.val = read_part(root, {"val", "valid", "validation"}, folder, file);
  out.test = read_part(root, {"test"}, folder, file);
  return out;
}

bool is_yolo_yaml(const fs::path& file) {
  try {
    const Config root = parse(file);
    return root.is_map() && root.contains("names") &&
           (root.contains("train") || root.contains("val"));
  } catch (const DataError&) {
    return false;
  }
}

std::vector<fs::path> list_yolo_images(const std::vector<fs::path>& sources,
                                       Complaints& complaints) {
  std::vector<fs::path> images;
  for (const fs::path& source : sources) {
    std::error_code code;
    if (fs::is_directory(source, code)) {
      add_folder(source, images);
    } else {
      add_list(source, images);
    }
  }
  std::ranges::sort(images);
  const auto again = std::unique(images.begin(), images.end());
  const auto repeats = images.end() - again;
  if (repeats > 0) complaints.note(repeats, " images are listed twice; used once");
  images.erase(again, images.end());
  std::erase_if(images, [&](const fs::path& image) {
    if (!is_foreign(lower_extension(image))) return false;
    complaints.dropped(image.string(), ": ", lower_extension(image),
                       " is not a format that is read; convert it to JPEG or PNG");
    return true;
  });
  return images;
}

std::string YoloYaml::part_for(const std::string& split) const {
  if (part(split).is_named()) return split;
  const std::string instead = split == "val" ? "test" : split == "test" ? "val" : "";
  return !instead.empty() && part(instead).is_named() ? instead : "";
}

const YoloYaml::Part& YoloYaml::part(const std::string& name) const {
  return name == "train" ? train : name == "val" ? val : test;
}

fs::path yolo_label_file(const fs::path& image) {
  std::vector<fs::path> parts(image.begin(), image.end());
  const auto with = [&](size_t at, const char* name) {
    fs::path out;
    for (size_t i = 0; i < parts.size(); ++i) out /= i == at ? fs::path(name) : parts[i];
    return out.replace_extension(".txt");
  };
  for (size_t at = parts.size() - 1; at-- > 0;) {
    const std::string name = parts[at].string();
    if (name == "images") return with(at, "labels");
    if (name != "Images" && name != "IMAGES") continue;
    const fs::path alike = with(at, name == "Images" ? "Labels" : "LABELS");
    return is_there(alike.parent_path()) ? alike : with(at, "labels");
  }
  return fs::path(image).replace_extension(".txt");
}

}  // namespace kestrel
