#include <pugixml.hpp>

#include <cmath>
#include <cstdlib>
#include <optional>

#include <kestrel/data/datasets/voc_file.h>
#include <kestrel/data/image.h>

namespace kestrel {
namespace {

std::optional<double> number(const char* text) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  while (end != text && (*end == ' ' || *end == '\n' || *end == '\r' || *end == '\t')) ++end;
  if (end == text || *end != '\0' || !std::isfinite(value)) return std::nullopt;
  return value;
}

// A side of an image; 0 where the text is none.
int64_t side(const char* text) {
  const double value = number(text).value_or(0);
  return value >= 1 && value <= kMaxImagePixels ? static_cast<int64_t>(value) : 0;
}

VocFile::Object read_object(const pugi::xml_node& node) {
  VocFile::Object object;
  object.name = node.child_value("name");
  object.difficult = number(node.child_value("difficult")).value_or(0) != 0;
  const pugi::xml_node box = node.child("bndbox");
  if (!box) object.problem = "has no <bndbox>";
  constexpr const char* kKeys[] = {"xmin", "ymin", "xmax", "ymax"};
  for (size_t k = 0; k < 4 && object.problem.empty(); ++k) {
    const std::string text = box.child_value(kKeys[k]);
    const auto value = number(text.c_str());
    if (value) {
      object.corners[k] = std::trunc(*value);
    } else {
      object.problem =
          std::string("has ") + kKeys[k] + " '" + text.substr(0, 40) + "', which is not a number";
    }
  }
  return object;
}

}  // namespace

VocFile parse_voc_file(std::span<const std::byte> xml) {
  VocFile out;
  pugi::xml_document document;
  const pugi::xml_parse_result result = document.load_buffer(xml.data(), xml.size());
  const pugi::xml_node root = document.child("annotation");
  if (!result) {
    out.problem = std::string("not usable XML: ") + result.description() + " at byte " +
                  std::to_string(result.offset);
  } else if (!root) {
    out.problem = "not usable XML: no <annotation> in it";
  } else {
    out.filename = root.child_value("filename");
    out.width = side(root.child("size").child_value("width"));
    out.height = side(root.child("size").child_value("height"));
    for (const auto& node : root.children("object")) out.objects.push_back(read_object(node));
  }
  return out;
}

}  // namespace kestrel
