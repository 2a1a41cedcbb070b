#include <kestrel/data/datasets/labelme.h>

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <kestrel/data/file.h>
#include <kestrel/kernels/error.h>
#include <kestrel/tensor/text.h>

namespace kestrel {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::vector<double> points_of(const Json& shape) {
  std::vector<double> points;
  for (const Json& point : shape.at("points")) {
    if (!point.is_array() || point.size() < 2) fail<DataError>("a point is not [x, y]");
    for (size_t i = 0; i < 2; ++i) {
      const double value = point[i].get<double>();
      if (!std::isfinite(value)) fail<DataError>("a point is not finite");
      points.push_back(value);
    }
  }
  return points;
}

std::vector<double> rectangle(const std::array<double, 4>& box) {
  const auto& [x1, y1, x2, y2] = box;
  return {x1, y1, x2, y1, x2, y2, x1, y2};
}

/// A circle is its centre and a point on it.
std::vector<double> circle(const std::vector<double>& points) {
  constexpr int kCorners = 32;
  constexpr double kTurn = 6.283185307179586;
  const double radius = std::hypot(points[2] - points[0], points[3] - points[1]);
  std::vector<double> polygon;
  for (int i = 0; i < kCorners; ++i) {
    polygon.push_back(points[0] + radius * std::cos(kTurn * i / kCorners));
    polygon.push_back(points[1] + radius * std::sin(kTurn * i / kCorners));
  }
  return polygon;
}

/// The outline of a shape; empty for one that has no area.
std::vector<double> outline(const std::string& type, const std::vector<double>& points) {
  if ((type == "polygon" || type.empty()) && points.size() >= 6) return points;
  if (type == "rectangle" && points.size() >= 4) return rectangle(box_around(points));
  if (type == "circle" && points.size() == 4) return circle(points);
  return {};
}

void join(PictureRecord::Object& object, std::vector<double> polygon) {
  const std::array<double, 4> box = box_around(polygon);
  if (object.polygons.empty()) {
    object.corners = box;
  } else {
    auto& [x1, y1, x2, y2] = object.corners;
    object.corners = {std::min(x1, box[0]), std::min(y1, box[1]), std::max(x2, box[2]),
                      std::max(y2, box[3])};
  }
  object.polygons.push_back(std::move(polygon));
}

int64_t side_of(const Json& root, const char* key) {
  const auto found = root.find(key);
  return found != root.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

std::vector<fs::path> json_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  if (files.empty()) fail<DataError>("[labelme] ", folder.string(), ": holds no .json file");
  return files;
}

Records read_labelme(const fs::path& folder, Complaints& complaints) {
  Records records;
  for (const fs::path& file : json_files(folder)) {
    const std::string name = file.filename().string();
    std::vector<std::string> problems;
    try {
      const auto bytes = read_file("labelme", file);
      PictureRecord picture =
          parse_labelme({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, problems);
      picture.source = name;
      records.pictures.push_back(std::move(picture));
    } catch (const DataError& error) {
      complaints.dropped(name, ": ", error.what());
    }
    for (const std::string& problem : problems) complaints.dropped(name, ": ", problem);
  }
  return records;
}

}  // namespace

PictureRecord parse_labelme(std::string_view bytes, std::vector<std::string>& problems) {
  const DecodedText decoded = decode_text(bytes);
  PictureRecord picture;
  try {
    const Json root = Json::parse(decoded.text);
    if (!root.is_object() || !root.contains("shapes")) {
      fail<DataError>("is not LabelMe's: it has no shapes");
    }
    picture.file = root.value("imagePath", "");
    picture.width = side_of(root, "imageWidth");
    picture.height = side_of(root, "imageHeight");
    std::map<std::pair<std::string, std::string>, size_t> groups;
    int64_t number = 0;
    for (const Json& shape : root.at("shapes")) {
      ++number;
      const std::string label = shape.at("label").get<std::string>();
      const std::string type = shape.value("shape_type", "polygon");
      std::vector<double> polygon = outline(type, points_of(shape));
      if (polygon.empty()) {
        problems.push_back(fmt::format("shape {} ('{}', {}) has no area", number, label, type));
        continue;
      }
      const auto group = shape.find("group_id");
      size_t at = picture.objects.size();
      if (group != shape.end() && !group->is_null()) {
        at = groups.emplace(std::pair(label, group->dump()), at).first->second;
      }
      if (at == picture.objects.size()) {
        const auto flags = shape.find("flags");
        const bool difficult = flags != shape.end() && flags->is_object() &&
                               flags->value("difficult", Json(false)) == Json(true);
        picture.objects.push_back({.name = label, .difficult = difficult});
      }
      join(picture.objects[at], std::move(polygon));
    }
  } catch (const Json::exception& error) {
    fail<DataError>("is not LabelMe's JSON: ", error.what());
  }
  if (picture.file.empty()) fail<DataError>("has no imagePath");
  return picture;
}

LabelMeDataset::LabelMeDataset(const LabelMeDatasetOptions& options)
    : LabelMeDataset(options,
                     Complaints("[labelme] " + source_of(options).string(), options.strict)) {}

LabelMeDataset::LabelMeDataset(const LabelMeDatasetOptions& options, Complaints complaints)
    : RecordsDataset("labelme", read_labelme(source_of(options), complaints), options, complaints) {
}

}  // namespace kestrel
