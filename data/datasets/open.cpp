#include <kestrel/data/datasets/open.h>

#include <array>
#include <cstdlib>

#include <kestrel/data/datasets/layout_parts.h>
#include <kestrel/data/datasets/layouts.h>
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
    "  YOLO:  data.yaml with train, val and names, images/train/*.jpg, labels/train/*.txt\n"
    "  or without lists: .xml, .json (LabelMe) or .txt files beside the pictures, or in "
    "annotations/\n"
    "  or labels/ with the pictures in images/; Roboflow's train/, valid/ and test/; CVAT's\n"
    "  annotations.xml; a .csv with file, box and class";

DatasetOptions find(const fs::path& path, Split split, const RecogniseOptions& options) {
  if (!has_directory(path) && !has_file(path)) {
    fail<DataError>("[data] ", path.string(), ": there is no such directory or file");
  }
  if (auto found = find_layout(path, split, options)) return *found;
  fail<DataError>("[data] ", path.string(), ": is not a data set; ", describe_folder(path),
                  ". Expected in it one of:\n", kTrees);
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

DatasetOptions recognise(const fs::path& path, Split split, const RecogniseOptions& options) {
  check_name(path);
  DatasetOptions found = find(path, split, options);
  std::visit(
      [](const auto& o) {
        if constexpr (requires { o.ann_file; }) check_name(o.ann_file);
        if constexpr (requires { o.img_prefix; }) check_name(o.img_prefix);
      },
      found);
  return found;
}

Config to_config(const DatasetOptions& options) {
  constexpr std::array kTypes = {"CocoDataset",    "VOCDataset",  "YOLODataset", "ShapesDataset",
                                 "LabelMeDataset", "CvatDataset", "CsvDataset",  "CustomDataset"};
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
    std::unique_ptr<Dataset> operator()(const LabelMeDatasetOptions& o) const {
      return std::make_unique<LabelMeDataset>(o);
    }
    std::unique_ptr<Dataset> operator()(const CvatDatasetOptions& o) const {
      return std::make_unique<CvatDataset>(o);
    }
    std::unique_ptr<Dataset> operator()(const CsvDatasetOptions& o) const {
      return std::make_unique<CsvDataset>(o);
    }
    std::unique_ptr<Dataset> operator()(const CustomDatasetOptions& o) const {
      return std::make_unique<CustomDataset>(o);
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
  DatasetOptions found =
      recognise(find_dataset(options.name_or_path), options.split, options.recognise);
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
