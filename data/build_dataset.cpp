#include <algorithm>

#include <kestrel/data/build_dataset.h>
#include <kestrel/data/datasets/coco.h>
#include <kestrel/data/datasets/csv.h>
#include <kestrel/data/datasets/custom.h>
#include <kestrel/data/datasets/cvat.h>
#include <kestrel/data/datasets/labelme.h>
#include <kestrel/data/datasets/shapes.h>
#include <kestrel/data/datasets/voc.h>
#include <kestrel/data/datasets/wrappers.h>
#include <kestrel/data/datasets/yolo.h>
#include <kestrel/registry/registry.h>

namespace kestrel {
namespace {

const Registration<Dataset, CocoDataset, CocoDatasetOptions> kCoco{"CocoDataset",
                                                                   "COCO's annotations"};
const Registration<Dataset, VocDataset, VocDatasetOptions> kVoc{"VOCDataset",
                                                                "Pascal VOC's annotations"};
const Registration<Dataset, YoloDataset, YoloDatasetOptions> kYolo{
    "YOLODataset", "text labels, as Ultralytics lays them out"};
const Registration<Dataset, ShapesDataset, ShapesDatasetOptions> kShapes{
    "ShapesDataset", "shapes that are generated"};

const Registration<Dataset, LabelMeDataset, LabelMeDatasetOptions> kLabelMe{
    "LabelMeDataset", "a JSON of LabelMe's for each picture"};
const Registration<Dataset, CvatDataset, CvatDatasetOptions> kCvat{"CvatDataset",
                                                                   "CVAT's XML of images"};
const Registration<Dataset, CsvDataset, CsvDatasetOptions> kCsv{"CsvDataset",
                                                                "a table with a box in each line"};

const Registration<Dataset, CustomDataset, CustomDatasetOptions> kCustom{
    "CustomDataset", "MMDetection's middle format, as JSON"};

struct Use {
  bool test_mode = false;
  const std::vector<std::string>& classes;
};

bool asks_for_masks(const Config& node) {
  const Config* list = node.find("pipeline");
  if (list == nullptr) return false;
  return std::ranges::any_of(list->items(), [](const Config& transform) {
    const Config* with_mask = transform.find("with_mask");
    return with_mask != nullptr && with_mask->as_bool();
  });
}

bool keeps_masks(const std::string& type) {
  return type == "CocoDataset" || type == "LabelMeDataset" || type == "CvatDataset" ||
         type == "YOLODataset";
}

std::unique_ptr<Dataset> build_tree(const Config& node, const Use& use);

std::unique_ptr<Dataset> build_list_of_files(const Config& node, const Use& use) {
  const auto files = node.at("ann_file").items();
  std::vector<std::shared_ptr<const Dataset>> parts;
  for (size_t i = 0; i < files.size(); ++i) {
    Config part = node;
    part.set("ann_file", files[i]);
    const Config* prefix = node.find("img_prefix");
    if (prefix != nullptr && prefix->is_list()) {
      if (prefix->items().size() != files.size()) prefix->fail("must be as long as ann_file");
      part.set("img_prefix", prefix->items()[i]);
    }
    parts.push_back(build_tree(part, use));
  }
  return std::make_unique<ConcatDataset>(std::move(parts));
}

std::unique_ptr<Dataset> build_tree(const Config& node, const Use& use) {
  const std::string& type = node.at("type").as_string();
  if (type == "RepeatDataset") {
    return repeat_dataset(build_tree(node.at("dataset"), use), node.at("times").as_int());
  }
  if (type == "MultiImageMixDataset") return build_tree(node.at("dataset"), use);
  if (type == "ClassBalancedDataset") {
    const Config* threshold = node.find("oversample_thr");
    const Config* filter = node.find("filter_empty_gt");
    return class_balanced_dataset(build_tree(node.at("dataset"), use),
                                  threshold ? threshold->as_float() : 0,
                                  filter == nullptr || filter->as_bool());
  }
  if (type == "ConcatDataset") {
    std::vector<std::shared_ptr<const Dataset>> parts;
    for (const Config& part : node.at("datasets").items()) {
      parts.push_back(build_tree(part, use));
    }
    return std::make_unique<ConcatDataset>(std::move(parts));
  }
  if (const Config* file = node.find("ann_file"); file != nullptr && file->is_list()) {
    return build_list_of_files(node, use);
  }
  Config own = node;
  if (keeps_masks(type) && asks_for_masks(own) && !own.contains("with_mask")) {
    own.set("with_mask", true);
  }
  own.erase("pipeline");
  if (use.test_mode && type != "ShapesDataset" && !own.contains("test_mode")) {
    own.set("test_mode", true);
  }
  if (!use.classes.empty()) {
    Config names = Config::list();
    for (const std::string& name : use.classes) names.push_back(name);
    own.set("classes", names);
  }
  return build<Dataset>(own);
}

// Calls change(set) for the data sets in a tree of wrappers.
template <class F>
void for_each_data_set(Config& node, const F& change) {
  if (const Config* inner = node.find("dataset")) {
    Config changed = *inner;
    for_each_data_set(changed, change);
    node.set("dataset", changed);
  } else if (const Config* parts = node.find("datasets")) {
    Config list = Config::list();
    for (Config part : parts->items()) {
      for_each_data_set(part, change);
      list.push_back(part);
    }
    node.set("datasets", list);
  } else {
    change(node);
  }
}

// The transforms belong to the innermost data set.
const Config* innermost_pipeline(const Config& node) {
  if (const Config* list = node.find("pipeline")) return list;
  if (const Config* inner = node.find("dataset")) return innermost_pipeline(*inner);
  const Config* parts = node.find("datasets");
  if (parts != nullptr && !parts->items().empty()) return innermost_pipeline(parts->items()[0]);
  return nullptr;
}

}  // namespace

const Config& find_pipeline(const Config& node) {
  const Config* list = innermost_pipeline(node);
  if (list == nullptr) node.fail("has no pipeline");
  return *list;
}

ConfiguredDataset build_dataset(const Config& node, bool test_mode,
                                const std::vector<std::string>& classes) {
  Pipeline pipeline(find_pipeline(node));  // first: its errors need no data set
  if (node.at("type").as_string() == "MultiImageMixDataset") {
    pipeline.set_before(std::make_shared<Pipeline>(find_pipeline(node.at("dataset"))));
  }
  return {build_tree(node, {test_mode, classes}), std::move(pipeline)};
}

void keep_masks(Config& node) {
  for_each_data_set(node, [](Config& set) {
    if (keeps_masks(set.at("type").as_string())) set.set("with_mask", true);
  });
}

void make_strict(Config& node) {
  for_each_data_set(node, [](Config& set) {
    if (set.at("type").as_string() != "ShapesDataset") set.set("strict", true);
  });
}

}  // namespace kestrel
