#include <pugixml.hpp>

#include <cmath>
#include <cstdlib>
#include <optional>

#include <kestrel/data/datasets/class_map.h>
#include <kestrel/data/datasets/voc_file.h>
#include <kestrel/data/image.h>
#include <kestrel/tensor/text.h>

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
  object.name = class_name_of(node.child_value("name"));
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

// What <?xml version="1.0" encoding="..."?> says; empty where it says nothing.
std::string_view declared_encoding(std::string_view xml) {
  const size_t begin = xml.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || !xml.substr(begin).starts_with("<?xml")) return {};
  const std::string_view line = xml.substr(begin, xml.find("?>", begin) - begin);
  size_t at = line.find("encoding");
  if (at == std::string_view::npos) return {};
  at = line.find_first_of("\"'", at);
  if (at == std::string_view::npos) return {};
  const size_t end = line.find(line[at], at + 1);
  return end == std::string_view::npos ? std::string_view() : line.substr(at + 1, end - at - 1);
}

// Of the text, names of classes alone have to be UTF-8: the rest, such as the path on the machine
// of who annotated, goes nowhere.
std::string why_not_text(const std::string& text, const VocFile& file) {
  for (const VocFile::Object& object : file.objects) {
    if (is_utf8(object.name)) continue;
    const size_t at = text.find(object.name);
    const std::string where = at == std::string::npos
                                  ? "'" + escape_not_utf8(object.name) + "' is not UTF-8"
                                  : describe_not_utf8(text, at + find_not_utf8(object.name));
    return "the name of a class cannot be read: " + where +
           "; save the file as UTF-8, or say what it is in, <?xml version=\"1.0\" "
           "encoding=\"...\"?>";
  }
  return {};
}

}  // namespace

VocFile parse_voc_file(std::span<const std::byte> xml) {
  VocFile out;
  const std::string_view bytes(reinterpret_cast<const char*>(xml.data()), xml.size());
  const DecodedText decoded = decode_text(bytes, declared_encoding(bytes));
  if (!decoded.problem.empty() && is_utf8(decoded.text)) {  // only its beginning was decoded
    out.problem = "its text cannot be read: " + decoded.problem;
    return out;
  }
  pugi::xml_document document;
  const pugi::xml_parse_result result = document.load_buffer(
      decoded.text.data(), decoded.text.size(), pugi::parse_default, pugi::encoding_utf8);
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
    out.problem = why_not_text(decoded.text, out);
    if (!out.problem.empty()) out.objects.clear();
  }
  return out;
}

}  // namespace kestrel
