#include <kestrel/data/convert/convert.h>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <pugixml.hpp>

#include <kestrel/data/convert/write_coco.h>
#include <kestrel/data/file.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

void write_text(const fs::path& file, const std::string& text) {
  write_file("convert", file, std::as_bytes(std::span(text)));
}

fs::path with_extension(const std::string& name, const char* extension) {
  return fs::path(name).replace_extension(extension);
}

/// Whether an object's outline is of polygons, all of them with an area, whose box is the object's.
bool has_polygons(const Annotation& object) {
  if (!object.segmentation || object.segmentation->polygons.empty()) return false;
  std::array<double, 4> box = {1e300, 1e300, -1e300, -1e300};
  for (const std::vector<double>& points : object.segmentation->polygons) {
    if (points.size() < 6) return false;
    for (size_t i = 0; i + 1 < points.size(); i += 2) {
      box = {std::min(box[0], points[i]), std::min(box[1], points[i + 1]),
             std::max(box[2], points[i]), std::max(box[3], points[i + 1])};
    }
  }
  const auto& [x, y, w, h] = object.bbox;
  return std::abs(box[0] - x) <= 0.5 && std::abs(box[1] - y) <= 0.5 &&
         std::abs(box[2] - x - w) <= 0.5 && std::abs(box[3] - y - h) <= 0.5;
}

bool is_one_polygon(const Annotation& object) {
  return has_polygons(object) && object.segmentation->polygons.size() == 1;
}

}  // namespace

DatasetWriter::DatasetWriter(DataForm form, fs::path folder, std::vector<std::string> classes,
                             PictureTransfer transfer)
    : form_(form), folder_(std::move(folder)), classes_(std::move(classes)), transfer_(transfer) {}

void DatasetWriter::lose(const char* what, int64_t count) {
  if (count > 0) losses_[what] += count;
}

void DatasetWriter::write(const Dataset& dataset, Split split) {
  const std::string part = to_string(split);
  parts_.push_back(part);
  switch (form_) {
    case DataForm::Coco:
      return write_coco(dataset, folder_, part, transfer_);
    case DataForm::Voc:
      return write_voc(dataset, part);
    case DataForm::Yolo:
      return write_yolo(dataset, part);
    case DataForm::LabelMe:
      return write_labelme(dataset, part);
    case DataForm::Middle:
      return write_middle(dataset, part);
  }
}

// Pixels are counted from 1, and sides are xmax - xmin, as VOC's reader has them.
void DatasetWriter::write_voc(const Dataset& dataset, const std::string& part) {
  std::string list;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const ImageInfo& info = dataset.info(i);
    const std::string name =
        place_picture(dataset, i, folder_ / "JPEGImages", part, placed_, transfer_);
    const std::string stem = fs::path(name).stem().string();
    pugi::xml_document document;
    pugi::xml_node root = document.append_child("annotation");
    const auto add = [](pugi::xml_node node, const char* key, const auto& value) {
      node.append_child(key).text().set(value);
    };
    add(root, "folder", "JPEGImages");
    add(root, "filename", name.c_str());
    pugi::xml_node size = root.append_child("size");
    add(size, "width", static_cast<long long>(info.width));
    add(size, "height", static_cast<long long>(info.height));
    add(size, "depth", 3);
    for (const Annotation& object : dataset.annotations(i)) {
      const auto& [x, y, w, h] = object.bbox;
      const long long x1 = std::llround(x) + 1, y1 = std::llround(y) + 1;
      pugi::xml_node node = root.append_child("object");
      add(node, "name", classes_[static_cast<size_t>(object.label)].c_str());
      add(node, "difficult", object.difficult || object.crowd ? 1 : 0);
      pugi::xml_node box = node.append_child("bndbox");
      add(box, "xmin", x1);
      add(box, "ymin", y1);
      add(box, "xmax", std::max(x1 + 1, std::llround(x + w) + 1));
      add(box, "ymax", std::max(y1 + 1, std::llround(y + h) + 1));
      lose("outlines, which VOC does not have: left out", object.segmentation ? 1 : 0);
      lose("crowds, which VOC does not have: written as difficult", object.crowd ? 1 : 0);
    }
    std::ostringstream text;
    document.save(text, "  ", pugi::format_default | pugi::format_no_declaration);
    write_text(folder_ / "Annotations" / (stem + ".xml"), text.str());
    list += stem + "\n";
  }
  write_text(folder_ / "ImageSets" / "Main" / (part + ".txt"), list);
}

void DatasetWriter::write_yolo(const Dataset& dataset, const std::string& part) {
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const ImageInfo& info = dataset.info(i);
    const std::string name =
        place_picture(dataset, i, folder_ / "images" / part, part, placed_, transfer_);
    const auto width = static_cast<double>(info.width), height = static_cast<double>(info.height);
    const auto share = [](double value, double side) { return std::clamp(value / side, 0.0, 1.0); };
    std::string lines;
    for (const Annotation& object : dataset.annotations(i)) {
      if (object.crowd || object.difficult) {
        lose("crowds and difficult objects, which YOLO does not have: left out");
        continue;
      }
      lines += std::to_string(object.label);
      if (is_one_polygon(object)) {
        const std::vector<double>& points = object.segmentation->polygons[0];
        for (size_t k = 0; k < points.size(); ++k) {
          lines += fmt::format(" {:.8g}", share(points[k], k % 2 == 0 ? width : height));
        }
      } else {
        lose("outlines of several polygons, or of pixels: their boxes are written",
             object.segmentation ? 1 : 0);
        const auto& [x, y, w, h] = object.bbox;
        const double x1 = share(x, width), x2 = share(x + w, width), y1 = share(y, height),
                     y2 = share(y + h, height);
        lines += fmt::format(" {:.8g} {:.8g} {:.8g} {:.8g}", (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1,
                             y2 - y1);
      }
      lines += '\n';
    }
    write_text(folder_ / "labels" / part / with_extension(name, ".txt"), lines);
  }
}

void DatasetWriter::write_labelme(const Dataset& dataset, const std::string& part) {
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const ImageInfo& info = dataset.info(i);
    const std::string name = place_picture(dataset, i, folder_ / part, part, placed_, transfer_);
    Json shapes = Json::array();
    int64_t group = 0;
    for (const Annotation& object : dataset.annotations(i)) {
      const auto add = [&](Json points, const char* type, const Json& group_id) {
        shapes.push_back({{"label", classes_[static_cast<size_t>(object.label)]},
                          {"points", std::move(points)},
                          {"group_id", group_id},
                          {"shape_type", type},
                          {"flags", object.difficult || object.crowd ? Json{{"difficult", true}}
                                                                     : Json::object()}});
      };
      lose("crowds, which LabelMe does not have: flagged as difficult", object.crowd ? 1 : 0);
      if (!has_polygons(object)) {
        lose("outlines of pixels, or that are not their boxes': the boxes are written",
             object.segmentation ? 1 : 0);
        const auto& [x, y, w, h] = object.bbox;
        add({{x, y}, {x + w, y + h}}, "rectangle", nullptr);
        continue;
      }
      const auto& polygons = object.segmentation->polygons;
      if (polygons.size() > 1) ++group;
      for (const std::vector<double>& polygon : polygons) {
        Json points = Json::array();
        for (size_t k = 0; k + 1 < polygon.size(); k += 2) {
          points.push_back({polygon[k], polygon[k + 1]});
        }
        add(std::move(points), "polygon", polygons.size() > 1 ? Json(group) : Json(nullptr));
      }
    }
    const Json root = {{"version", "5.0.1"},      {"flags", Json::object()},
                       {"shapes", shapes},        {"imagePath", name},
                       {"imageData", nullptr},    {"imageHeight", info.height},
                       {"imageWidth", info.width}};
    write_text(folder_ / part / with_extension(name, ".json"), root.dump(2) + "\n");
  }
}

void DatasetWriter::write_middle(const Dataset& dataset, const std::string& part) {
  Json list = Json::array();
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const ImageInfo& info = dataset.info(i);
    const std::string name =
        place_picture(dataset, i, folder_ / "images" / part, part, placed_, transfer_);
    Json boxes = Json::array(), labels = Json::array(), ignored = Json::array(),
         ignored_labels = Json::array();
    for (const Annotation& object : dataset.annotations(i)) {
      const auto& [x, y, w, h] = object.bbox;
      const bool ignore = object.crowd || object.difficult;
      (ignore ? ignored : boxes).push_back({x, y, x + w, y + h});
      (ignore ? ignored_labels : labels).push_back(object.label);
      lose("outlines, which the middle format does not have: left out",
           object.segmentation ? 1 : 0);
      lose("crowds and difficult objects: both are written as ignored", ignore ? 1 : 0);
    }
    list.push_back({{"filename", (fs::path(part) / name).string()},
                    {"width", info.width},
                    {"height", info.height},
                    {"ann",
                     {{"bboxes", boxes},
                      {"labels", labels},
                      {"bboxes_ignore", ignored},
                      {"labels_ignore", ignored_labels}}}});
  }
  write_text(folder_ / (part + ".json"), list.dump() + "\n");
}

void DatasetWriter::finish() {
  std::string names;
  for (const std::string& name : classes_) names += name + "\n";
  if (form_ == DataForm::Middle) write_text(folder_ / "classes.txt", names);
  if (form_ != DataForm::Yolo) return;
  std::string yaml;
  for (const std::string& part : parts_) yaml += fmt::format("{0}: images/{0}\n", part);
  yaml += "names:\n";
  for (size_t i = 0; i < classes_.size(); ++i) {
    yaml += fmt::format("  {}: {}\n", i, Json(classes_[i]).dump());
  }
  write_text(folder_ / "data.yaml", yaml);
}

void check_convert_target(const fs::path& source, const fs::path& folder) {
  std::error_code code;
  if (fs::exists(folder, code) &&
      (!fs::is_directory(folder, code) || !fs::is_empty(folder, code))) {
    fail<UsageError>("[convert] ", folder.string(),
                     " is not empty; give a folder that is, or that is not there yet");
  }
  if (source.empty()) return;
  const fs::path from = fs::weakly_canonical(source, code), to = fs::weakly_canonical(folder, code);
  const auto is_in = [](const fs::path& inner, const fs::path& outer) {
    const fs::path rest = inner.lexically_relative(outer);
    return !rest.empty() && *rest.begin() != "..";
  };
  if (is_in(to, from)) {
    fail<UsageError>("[convert] ", folder.string(), " lies in ", source.string(),
                     ", the data set that is read; choose another folder");
  }
}

}  // namespace kestrel
