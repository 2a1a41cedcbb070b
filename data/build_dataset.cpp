#include <kestrel/data/build_dataset.h>
#include <kestrel/data/datasets/coco.h>
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

struct Use {
  bool test_mode = false;
  const std::vector<std::string>& classes;
};

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
  return {build_tree(node, {test_mode, classes}), std::move(pipeline)};
}

void make_strict(Config& node) {
  if (const Config* inner = node.find("dataset")) {
    Config strict = *inner;
    make_strict(strict);
    node.set("dataset", strict);
  } else if (const Config* parts = node.find("datasets")) {
    Config list = Config::list();
    for (Config part : parts->items()) {
      make_strict(part);
      list.push_back(part);
    }
    node.set("datasets", list);
  } else if (node.at("type").as_string() != "ShapesDataset") {
    node.set("strict", true);
  }
}

}  // namespace kestrel
