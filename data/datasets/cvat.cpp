#include <kestrel/data/datasets/cvat.h>

#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>

#include <pugixml.hpp>

#include <kestrel/data/file.h>
#include <kestrel/kernels/error.h>

namespace kestrel {
namespace {

std::optional<double> number_in(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

/// "x,y;x,y;x,y"; nothing where it is something else.
std::optional<std::vector<double>> points_in(std::string_view text) {
  std::vector<double> points;
  while (!text.empty()) {
    const std::string_view point = text.substr(0, text.find(';'));
    text.remove_prefix(std::min(text.size(), point.size() + 1));
    const size_t comma = point.find(',');
    if (comma == std::string_view::npos) return std::nullopt;
    const auto x = number_in(point.substr(0, comma)), y = number_in(point.substr(comma + 1));
    if (!x || !y) return std::nullopt;
    points.insert(points.end(), {*x, *y});
  }
  if (points.size() < 6) return std::nullopt;
  return points;
}

std::optional<PictureRecord::Object> object_in(const pugi::xml_node& node) {
  PictureRecord::Object object{.name = node.attribute("label").as_string()};
  const std::string_view kind = node.name();
  if (kind == "box") {
    const char* const sides[] = {"xtl", "ytl", "xbr", "ybr"};
    for (size_t i = 0; i < 4; ++i) {
      const auto value = number_in(node.attribute(sides[i]).as_string());
      if (!value) return std::nullopt;
      object.corners[i] = *value;
    }
    return object;
  }
  auto points = points_in(node.attribute("points").as_string());
  if (!points) return std::nullopt;
  object.corners = box_around(*points);
  object.polygons.push_back(std::move(*points));
  return object;
}

Records read_cvat(const std::filesystem::path& file, Complaints& complaints) {
  std::vector<std::string> problems;
  Records records;
  try {
    records = parse_cvat(read_file("cvat", file), problems);
  } catch (const DataError& error) {
    fail<DataError>("[cvat] ", file.string(), ": ", error.what());
  }
  for (const std::string& problem : problems) complaints.dropped(problem);
  return records;
}

}  // namespace

Records parse_cvat(std::span<const std::byte> xml, std::vector<std::string>& problems) {
  pugi::xml_document document;
  const auto parsed = document.load_buffer(xml.data(), xml.size());
  if (!parsed) {
    fail<DataError>("is not XML: ", parsed.description(), " at byte ", parsed.offset);
  }
  const pugi::xml_node root = document.child("annotations");
  if (!root) fail<DataError>("is not CVAT's: it has no <annotations>");
  if (root.child("track")) {
    fail<DataError>("holds tracks of a video; export it as 'CVAT for images 1.1'");
  }
  Records records;
  for (const pugi::xpath_node& found : root.select_nodes("meta//label/name")) {
    records.classes.emplace_back(found.node().text().as_string());
  }
  std::map<std::string, int64_t> others;
  for (const pugi::xml_node& image : root.children("image")) {
    PictureRecord picture{.file = image.attribute("name").as_string(),
                          .width = image.attribute("width").as_llong(),
                          .height = image.attribute("height").as_llong()};
    picture.source = "image " + picture.file;
    int64_t number = 0;
    for (const pugi::xml_node& node : image.children()) {
      const std::string kind = node.name();
      if (kind != "box" && kind != "polygon") {
        if (node.type() == pugi::node_element) ++others[kind];
        continue;
      }
      ++number;
      if (auto object = object_in(node)) {
        picture.objects.push_back(std::move(*object));
      } else {
        problems.push_back(picture.source + ": " + kind + " " + std::to_string(number) +
                           " has no numbers where it should");
      }
    }
    records.pictures.push_back(std::move(picture));
  }
  for (const auto& [kind, count] : others) {
    problems.push_back(std::to_string(count) + " shapes are of the kind <" + kind +
                       ">, which has no box");
  }
  return records;
}

CvatDataset::CvatDataset(const CvatDatasetOptions& options)
    : CvatDataset(options, Complaints("[cvat] " + source_of(options).string(), options.strict)) {}

CvatDataset::CvatDataset(const CvatDatasetOptions& options, Complaints complaints)
    : RecordsDataset("cvat", read_cvat(source_of(options), complaints), options, complaints) {}

}  // namespace kestrel
