#include <charconv>
#include <cmath>

#include <kestrel/registry/config.h>

namespace kestrel {
namespace {

using Kind = Config::Kind;

std::string number_text(double value) {
  if (std::isnan(value)) return ".nan";
  if (std::isinf(value)) return value < 0 ? "-.inf" : ".inf";
  char buffer[32];
  std::string text(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";  // stays a float when read
  return text;
}

std::string quote(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += kHex[(c >> 4) & 15];
      out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  return out += '"';
}

// Whether YAML reads the word as this text, wherever it stands.
bool is_plain(std::string_view text) {
  if (text.empty() || !parse_scalar(text).is_string()) return false;
  if (text.starts_with("...")) return false;  // the end of a document
  const auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  if (!is_word(text.front()) && text.front() != '/' && text.front() != '.') return false;
  for (const char c : text) {
    if (!is_word(c) && c != '/' && c != '.' && c != '-' && c != '+') return false;
  }
  return true;
}

void write_json(const Config& node, std::string& out) {
  switch (node.kind()) {
    case Kind::Null:
      out += "null";
      return;
    case Kind::Bool:
      out += node.as_bool() ? "true" : "false";
      return;
    case Kind::Int:
      out += std::to_string(node.as_int());
      return;
    case Kind::Float:
      if (!std::isfinite(node.as_float())) node.fail("JSON has no " + node.describe());
      out += number_text(node.as_float());
      return;
    case Kind::String:
      out += quote(node.as_string());
      return;
    case Kind::List: {
      out += '[';
      const char* separator = "";
      for (const Config& item : node.items()) {
        out += separator;
        write_json(item, out);
        separator = ", ";
      }
      out += ']';
      return;
    }
    case Kind::Map: {
      out += '{';
      const char* separator = "";
      for (const Config::Entry& entry : node.entries()) {
        out += separator + quote(entry.key) + ": ";
        write_json(entry.value, out);
        separator = ", ";
      }
      out += '}';
      return;
    }
  }
}

std::string scalar_text(const Config& node) {
  switch (node.kind()) {
    case Kind::Bool:
      return node.as_bool() ? "true" : "false";
    case Kind::Int:
      return std::to_string(node.as_int());
    case Kind::Float:
      return number_text(node.as_float());
    case Kind::String:
      return is_plain(node.as_string()) ? node.as_string() : quote(node.as_string());
    default:
      return "null";
  }
}

// "[1, [2, 3]]" for lists of scalars and of such lists; "" for what has to be a block.
std::string flow_text(const Config& node) {
  if (node.is_map()) return node.size() == 0 ? "{}" : "";
  if (!node.is_list()) return scalar_text(node);
  std::string out = "[";
  for (const Config& item : node.items()) {
    const std::string text = flow_text(item);
    if (text.empty()) return {};
    if (out.size() > 1) out += ", ";
    out += text;
  }
  return out += ']';
}

void write_yaml(const Config& node, int indent, std::string& out) {
  const std::string margin(static_cast<size_t>(indent), ' ');
  if (node.is_map() && node.size() > 0) {
    for (const Config::Entry& entry : node.entries()) {
      out += margin + (is_plain(entry.key) ? entry.key : quote(entry.key)) + ':';
      const std::string flow = flow_text(entry.value);
      if (!flow.empty()) {
        out += ' ' + flow + '\n';
      } else {
        out += '\n';
        write_yaml(entry.value, indent + 2, out);
      }
    }
  } else if (const std::string flow = flow_text(node); !flow.empty()) {
    out += margin + flow + '\n';
  } else {
    for (const Config& item : node.items()) {
      const size_t begin = out.size();
      write_yaml(item, indent + 2, out);
      out[begin + static_cast<size_t>(indent)] = '-';
    }
  }
}

}  // namespace

std::string Config::to_yaml() const {
  std::string out;
  write_yaml(*this, 0, out);
  return out;
}

std::string Config::to_json() const {
  std::string out;
  write_json(*this, out);
  return out;
}

}  // namespace kestrel
