#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>

#include <kestrel/data/datasets/complaints.h>
#include <kestrel/data/datasets/image_folder.h>
#include <kestrel/data/datasets/open.h>
#include <kestrel/data/datasets/yolo_yaml.h>
#include <kestrel/kernels/error.h>
#include <kestrel/registry/options.h>
#include <kestrel/tensor/text.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTrees =
    "  COCO:  annotations/instances_train2017.json, annotations/instances_val2017.json,\n"
    "         train2017/*.jpg, val2017/*.jpg\n"
    "  VOC:   Annotations/*.xml, JPEGImages/*.jpg, ImageSets/Main/{train,val,test}.txt\n"
    "         (or VOCdevkit/VOC2007 with these in it)\n"
    "  YOLO:  data.yaml with train, val and names, images/train/*.jpg, labels/train/*.txt";

bool has_directory(const fs::path& path) {
  std::error_code code;
  return fs::is_directory(path, code);
}

bool has_file(const fs::path& path) {
  std::error_code code;
  return fs::is_regular_file(path, code);
}

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::vector<fs::path> files_with(const fs::path& folder, const std::string& extension) {
  std::vector<fs::path> files;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    const fs::path& path = entry.path();
    if (lower_case(path.extension().string()) == extension) files.push_back(path);
  }
  std::ranges::sort(files);
  return files;
}

std::vector<std::string> file_names(const std::vector<fs::path>& files) {
  std::vector<std::string> names;
  for (const fs::path& file : files) names.push_back(file.filename().string());
  return names;
}

/// A folder of this name, in any case; as it is given where there is none.
fs::path folder_named(const fs::path& root, const std::string& name) {
  if (has_directory(root / name)) return root / name;
  for (const fs::path& folder : folders_in(root)) {
    if (lower_case(folder.filename().string()) == lower_case(name)) return folder;
  }
  return root / name;
}

/// The folders that may hold the images of an annotation file, the likeliest first: named as its
/// last word (instances_val2017 -> val2017), or as the part, or after it (val2014 for minival), in
/// the root or in images/; images/ and the root themselves.
std::vector<fs::path> likely_folders(const fs::path& root, const fs::path& file,
                                     const std::string& word) {
  const std::string stem = lower_case(file.stem().string());
  const std::string last = stem.substr(stem.find_last_of('_') + 1);
  const fs::path images = folder_named(root, "images");
  const auto named = [&](const fs::path& folder, auto&& is_right) {
    std::vector<fs::path> found;
    std::ranges::copy_if(folders_in(folder), std::back_inserter(found), [&](const fs::path& path) {
      return is_right(lower_case(path.filename().string()), path.filename().string());
    });
    return found;
  };
  std::vector<fs::path> out;
  const auto add = [&](auto&& is_right) {
    for (const fs::path& folder : {root, images}) {
      for (const fs::path& path : named(folder, is_right)) out.push_back(path);
    }
  };
  add([&](const std::string& name, const std::string&) { return name == last; });
  add([&](const std::string& name, const std::string&) { return name == word; });
  add([&](const std::string&, const std::string& name) { return part_word(name) == word; });
  add([&](const std::string&, const std::string& name) {
    return is_same_part(part_word(name), word);
  });
  if (has_directory(images)) out.push_back(images);
  out.push_back(root);
  return out;
}

/// Where the images of an annotation file are; where none can be seen, the likeliest folder.
fs::path image_folder(const fs::path& root, const fs::path& file, const std::string& word) {
  const std::vector<fs::path> likely = likely_folders(root, file, word);
  const std::vector<std::string> names = sample_file_names(file);
  if (const auto fullest = fullest_folder(names, likely)) return *fullest;
  std::vector<fs::path> others = folders_in(root);
  others.push_back(file.parent_path());
  for (const fs::path& folder : folders_in(root)) {
    for (const fs::path& below : folders_in(folder)) others.push_back(below);
  }
  return fullest_folder(names, others).value_or(likely.front());
}

/// Without what has no boxes of all classes by its name: captions, key points, lists of images
/// without annotations, results.
std::vector<fs::path> without_other_kinds(const std::vector<fs::path>& files) {
  constexpr std::array kKinds = {"captions", "keypoints", "stuff",      "panoptic",
                                 "info",     "results",   "detections", "predictions"};
  std::vector<fs::path> out;
  std::ranges::copy_if(files, std::back_inserter(out), [&](const fs::path& file) {
    return std::ranges::none_of(words_of_name(file.stem().string()), [&](const std::string& word) {
      return std::ranges::find(kKinds, word) != kKinds.end();
    });
  });
  return out.empty() ? files : out;
}

std::optional<CocoDatasetOptions> find_coco(const fs::path& root, Split split) {
  const fs::path folder = folder_named(root, "annotations");
  const std::vector<fs::path> files = files_with(folder, ".json");
  if (files.empty()) return std::nullopt;
  const SplitFiles found = files_for(without_other_kinds(files), split);
  if (found.files.empty()) {
    fail<DataError>("[data] ", folder.string(), ": no .json file is for the ", to_string(split),
                    " part; there are ", quoted_list(file_names(files)));
  }
  tell_choice(found, split);
  const fs::path& file = found.files.front();
  return CocoDatasetOptions{.ann_file = file.string(),
                            .img_prefix = image_folder(root, file, found.word).string()};
}

std::optional<VocDatasetOptions> find_voc(const fs::path& given, Split split) {
  fs::path root = given;
  const auto is_voc = [](const fs::path& p) {
    return has_directory(p / "Annotations") && has_directory(p / "JPEGImages");
  };
  for (const char* below : {"", "VOC2007", "VOC2012", "VOCdevkit/VOC2007", "VOCdevkit/VOC2012"}) {
    if (is_voc(given / below)) {
      root = *below ? given / below : given;
      break;
    }
  }
  if (!is_voc(root)) return std::nullopt;
  const fs::path lists = root / "ImageSets" / "Main";
  const std::vector<fs::path> files = files_with(lists, ".txt");
  // The lists of classes (aeroplane_train.txt) are not of all images.
  std::vector<fs::path> whole;
  std::ranges::copy_if(files, std::back_inserter(whole), [](const fs::path& file) {
    const std::string stem = lower_case(file.stem().string());
    return part_word(stem) == stem;
  });
  const SplitFiles found = files_for(whole, split);
  if (found.files.empty()) {
    fail<DataError>("[data] ", lists.string(), ": no list for the ", to_string(split), " part (",
                    to_string(split), ".txt); there are ", quoted_list(file_names(files)));
  }
  tell_choice(found, split);
  return VocDatasetOptions{.ann_file = found.files.front().string(), .img_prefix = root.string()};
}

/// The YAML of a data set in a folder: data.yaml, or whatever it is called.
std::optional<fs::path> find_yaml(const fs::path& folder) {
  std::vector<fs::path> files = files_with(folder, ".yaml");
  for (const fs::path& file : files_with(folder, ".yml")) files.push_back(file);
  const auto is_data = [](const fs::path& file) {
    return lower_case(file.stem().string()) == "data";
  };
  std::stable_partition(files.begin(), files.end(), is_data);
  std::vector<fs::path> found;
  for (const fs::path& file : files) {
    if (is_data(file) || is_yolo_yaml(file)) found.push_back(file);
  }
  if (found.empty()) return std::nullopt;
  if (found.size() > 1) {
    Complaints("[data] " + folder.string(), false)
        .note("there are the YAML files ", quoted_list(file_names(found)),
              "; taken: ", found.front().filename().string());
  }
  return found.front();
}

std::optional<YoloDatasetOptions> find_yolo(const fs::path& path, Split split) {
  const auto file = has_file(path) ? std::optional(path) : find_yaml(path);
  if (!file) return std::nullopt;
  YoloDatasetOptions options{.ann_file = file->string(), .split = to_string(split)};
  try {
    const std::string part = read_yolo_yaml(*file).part_for(options.split);
    if (!part.empty()) options.split = part;
  } catch (const DataError&) {  // which opening it tells of
  }
  return options;
}

DatasetOptions find(const fs::path& path, Split split) {
  if (has_directory(path)) {
    if (auto coco = find_coco(path, split)) return *coco;
    if (auto voc = find_voc(path, split)) return *voc;
  } else if (!has_file(path)) {
    fail<DataError>("[data] ", path.string(), ": there is no such directory or file");
  }
  if (auto yolo = find_yolo(path, split)) return *yolo;
  fail<DataError>("[data] ", path.string(),
                  ": is not a data set in COCO, VOC or YOLO form. Expected in it:\n", kTrees);
}

/// A run saves the path with its config, as JSON.
void check_name(const fs::path& path) {
  const std::string name = path.string();
  if (is_utf8(name)) return;
  fail<DataError>("[data] ", escape_not_utf8(name),
                  ": the name is not UTF-8, as what a run saves must be; rename it, or make a link "
                  "to it (ln -s) with another name");
}

}  // namespace

DatasetOptions recognise(const fs::path& path, Split split) {
  check_name(path);
  DatasetOptions found = find(path, split);
  std::visit(
      [](const auto& o) {
        if constexpr (requires { o.ann_file; }) check_name(o.ann_file);
        if constexpr (requires { o.img_prefix; }) check_name(o.img_prefix);
      },
      found);
  return found;
}

Config to_config(const DatasetOptions& options) {
  constexpr std::array kTypes = {"CocoDataset", "VOCDataset", "YOLODataset", "ShapesDataset"};
  static_assert(kTypes.size() == std::variant_size_v<DatasetOptions>);
  return std::visit([&](const auto& o) { return write_options(o, kTypes[options.index()]); },
                    options);
}

fs::path find_dataset(const std::string& name_or_path) {
  if (name_or_path.empty()) {
    fail<UsageError>("[data] no data set given; use shapes, coco or a directory");
  }
  if (has_directory(name_or_path) || has_file(name_or_path)) return name_or_path;
  std::vector<fs::path> places;
  if (name_or_path.find('/') == std::string::npos) {
    places.push_back(fs::path("data") / name_or_path);
    const char* root = std::getenv("KESTREL_DATA");
    if (root != nullptr && *root != '\0') places.push_back(fs::path(root) / name_or_path);
    for (const fs::path& place : places) {
      if (has_directory(place)) return place;
    }
  }
  std::string looked = "'" + name_or_path + "'";
  for (const fs::path& place : places) looked += ", '" + place.string() + "'";
  const bool has_root = std::getenv("KESTREL_DATA") != nullptr;
  fail<DataError>("[data] no data set at ", looked, has_root ? "" : " ($KESTREL_DATA is not set)",
                  ". Expected there:\n", kTrees,
                  "\nor use --data shapes, which is generated and needs no files");
}

std::unique_ptr<Dataset> make_dataset(const DatasetOptions& options) {
  struct Maker {
    std::unique_ptr<Dataset> operator()(const CocoDatasetOptions& o) const {
      return std::make_unique<CocoDataset>(o);
    }
    std::unique_ptr<Dataset> operator()(const VocDatasetOptions& o) const {
      return std::make_unique<VocDataset>(o);
    }
    std::unique_ptr<Dataset> operator()(const YoloDatasetOptions& o) const {
      return std::make_unique<YoloDataset>(o);
    }
    std::unique_ptr<Dataset> operator()(const ShapesDatasetOptions& o) const {
      return std::make_unique<ShapesDataset>(o);
    }
  };
  return std::visit(Maker{}, options);
}

bool is_generated_set(const std::string& name_or_path) {
  return name_or_path == "shapes" && !has_directory("shapes");
}

std::unique_ptr<Dataset> open_dataset(const OpenDatasetOptions& options) {
  const bool train = options.split == Split::Train;
  const bool test_mode = options.test_mode.value_or(!train);
  if (is_generated_set(options.name_or_path)) {
    ShapesDatasetOptions shapes{.seed = options.seed, .split = to_string(options.split)};
    if (options.num_images > 0) shapes.num_images = options.num_images;
    shapes.classes = options.classes;
    return make_dataset(shapes);
  }
  DatasetOptions found = recognise(find_dataset(options.name_or_path), options.split);
  const auto set = [&](auto& o) {
    o.classes = options.classes;
    if constexpr (requires { o.test_mode; }) o.test_mode = test_mode;
    if constexpr (requires { o.strict; }) o.strict = options.strict;
    if constexpr (requires { o.with_mask; }) o.with_mask = options.with_mask;
  };
  std::visit(set, found);
  return make_dataset(found);
}

}  // namespace kestrel
