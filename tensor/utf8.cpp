#include <kestrel/tensor/utf8.h>

#include <cstdint>

namespace kestrel {
namespace {

/// Length of the character at a place; 0 where there is none.
size_t character_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(at);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || length > text.size() - at) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
  }
  // Longer than need be, half of a surrogate pair, or beyond the last character.
  const uint8_t second = byte(at + 1);
  const bool wrong = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
                     (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
  return wrong ? 0 : length;
}

}  // namespace

size_t find_invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = character_length(text, at);
    if (length == 0) return at;
    at += length;
  }
  return std::string_view::npos;
}

std::string escape_invalid_utf8_in_json(std::string_view json) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string escaped;
  while (true) {
    const size_t at = find_invalid_utf8(json);
    escaped += json.substr(0, at);
    if (at == std::string_view::npos) return escaped;
    const auto byte = static_cast<uint8_t>(json[at]);
    escaped += "\\\\x";
    escaped += kHex[byte >> 4];
    escaped += kHex[byte & 15];
    json.remove_prefix(at + 1);
  }
}

}  // namespace kestrel
