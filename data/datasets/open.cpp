#include <algorithm>
#include <array>
#include <cstdlib>

#include <kestrel/data/datasets/complaints.h>
#include <kestrel/data/datasets/open.h>
#include <kestrel/data/datasets/yolo_yaml.h>
#include <kestrel/kernels/error.h>
#include <kestrel/registry/options.h>

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

std::vector<fs::path> files_with(const fs::path& folder, const std::string& extension) {
  std::vector<fs::path> files;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    if (entry.path().extension() == extension) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

// Which words name a part, the best first.
std::vector<std::string> words(Split split) {
  switch (split) {
    case Split::Train:
      return {"train"};
    case Split::Val:
      return {"val", "valid", "test"};
    case Split::Test:
      return {"test", "val"};
  }
  return {};
}

bool has_word(const fs::path& file, const std::string& word) {
  return file.stem().string().find(word) != std::string::npos;
}

// The folder of the images of an annotation file: named as its last word (instances_val2017 ->
// val2017), or as the part, or images/ with or without such a folder, or the root itself.
fs::path image_folder(const fs::path& root, const fs::path& file, const std::string& word) {
  const std::string stem = file.stem().string();
  const std::string last = stem.substr(stem.find_last_of('_') + 1);
  for (const fs::path& folder : {root / last, root / "images" / last, root / word,
                                 root / "images" / word, root / "images"}) {
    if (has_directory(folder)) return folder;
  }
  return root;
}

std::optional<CocoDatasetOptions> find_coco(const fs::path& root, Split split) {
  std::vector<fs::path> files = files_with(root / "annotations", ".json");
  if (files.empty()) return std::nullopt;
  // Captions and keypoints have no boxes of all classes.
  std::vector<fs::path> instances;
  std::ranges::copy_if(files, std::back_inserter(instances), [](const fs::path& f) {
    return f.filename().string().starts_with("instances_");
  });
  if (!instances.empty()) files = instances;
  for (const std::string& word : words(split)) {
    for (const fs::path& file : files) {
      if (has_word(file, word)) {
        return CocoDatasetOptions{.ann_file = file.string(),
                                  .img_prefix = image_folder(root, file, word).string()};
      }
    }
  }
  std::vector<std::string> names;
  for (const fs::path& file : files) names.push_back(file.filename().string());
  fail<DataError>("[data] ", (root / "annotations").string(), ": no .json file is for the ",
                  to_string(split), " part; there are ", quoted_list(names));
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
  for (const std::string& word : words(split)) {
    const fs::path list = lists / (word + ".txt");
    if (has_file(list)) {
      return VocDatasetOptions{.ann_file = list.string(), .img_prefix = root.string()};
    }
  }
  if (split == Split::Train && has_file(lists / "trainval.txt")) {
    return VocDatasetOptions{.ann_file = (lists / "trainval.txt").string(),
                             .img_prefix = root.string()};
  }
  std::vector<std::string> names;
  for (const fs::path& file : files_with(lists, ".txt")) names.push_back(file.filename().string());
  fail<DataError>("[data] ", lists.string(), ": no list for the ", to_string(split), " part (",
                  words(split).front(), ".txt); there are ", quoted_list(names));
}

// data.yaml, or whatever it is called.
std::optional<YoloDatasetOptions> find_yolo(const fs::path& path, Split split) {
  const auto options = [&](const fs::path& file) {
    return YoloDatasetOptions{.ann_file = file.string(), .split = to_string(split)};
  };
  if (has_file(path)) return options(path);
  for (const char* extension : {".yaml", ".yml"}) {
    if (has_file(path / ("data" + std::string(extension)))) {
      return options(path / ("data" + std::string(extension)));
    }
    for (const fs::path& file : files_with(path, extension)) {
      if (is_yolo_yaml(file)) return options(file);
    }
  }
  return std::nullopt;
}

}  // namespace

const char* to_string(Split split) {
  constexpr std::array kNames = {"train", "val", "test"};
  return kNames[static_cast<size_t>(split)];
}

DatasetOptions recognise(const fs::path& path, Split split) {
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

std::unique_ptr<Dataset> open_dataset(const OpenDatasetOptions& options) {
  const bool train = options.split == Split::Train;
  const bool test_mode = options.test_mode.value_or(!train);
  if (options.name_or_path == "shapes" && !has_directory("shapes")) {
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
