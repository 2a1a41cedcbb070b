#include <nlohmann/json.hpp>

#include <kestrel/data/convert/write_coco.h>
#include <kestrel/data/file.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json to_json(const Segmentation& s) {
  if (!s.polygons.empty()) return s.polygons;
  json out = {{"size", {s.height, s.width}}};
  if (s.compressed.empty()) {
    out["counts"] = s.counts;
  } else {
    out["counts"] = s.compressed;
  }
  return out;
}

}  // namespace

void write_coco(const Dataset& dataset, const fs::path& directory, const std::string& part,
                PictureTransfer transfer) {
  json images = json::array(), annotations = json::array(), categories = json::array();
  PlacedPictures placed;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const ImageInfo& info = dataset.info(i);
    const std::string name = place_picture(dataset, i, directory / part, part, placed, transfer);
    images.push_back(
        {{"id", info.id}, {"file_name", name}, {"width", info.width}, {"height", info.height}});
    for (const Annotation& a : dataset.annotations(i)) {
      json record = {
          {"id", a.id},     {"image_id", info.id}, {"category_id", dataset.category_id(a.label)},
          {"bbox", a.bbox}, {"area", a.area},      {"iscrowd", a.crowd ? 1 : 0}};
      if (a.difficult) record["ignore"] = 1;
      if (a.segmentation) record["segmentation"] = to_json(*a.segmentation);
      annotations.push_back(std::move(record));
    }
  }
  for (int64_t label = 0; label < dataset.num_classes(); ++label) {
    categories.push_back({{"id", dataset.category_id(label)},
                          {"name", dataset.class_names()[static_cast<size_t>(label)]},
                          {"supercategory", dataset.name()}});
  }
  const std::string text = json{
      {"info", {{"description", dataset.name() + " " + part}}},
      {"images", std::move(images)},
      {"annotations", std::move(annotations)},
      {"categories",
       std::move(categories)}}.dump();
  write_file("coco", directory / "annotations" / ("instances_" + part + ".json"),
             std::as_bytes(std::span(text)));
}

}  // namespace kestrel
