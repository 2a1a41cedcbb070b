#pragma once

#include <string>
#include <string_view>

namespace kestrel {

/// The place of the first byte that is not part of valid UTF-8; npos where all is.
size_t find_invalid_utf8(std::string_view text);

/// JSON text whose strings have bytes that are not UTF-8, as names of files may, with each of them
/// as a backslash, x and two hex digits; other text as it is.
std::string escape_invalid_utf8_in_json(std::string_view json);

}  // namespace kestrel
