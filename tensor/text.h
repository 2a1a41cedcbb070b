#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace kestrel {

/// Where the first byte lies that is not part of UTF-8 (overlong forms and surrogates are not);
/// npos where all of the text is.
size_t find_not_utf8(std::string_view text);
inline bool is_utf8(std::string_view text) {
  return find_not_utf8(text) == std::string_view::npos;
}

/// "line 3: the byte 0xE9 at 51 is not UTF-8".
std::string describe_not_utf8(std::string_view text, size_t at);

/// The text with every byte that is not part of UTF-8 written as \xE9, so that it can be shown and
/// saved.
std::string escape_not_utf8(std::string_view text);

/// What the beginning of a file says of its form.
struct TextForm {
  const char* encoding = "";  ///< UTF-16LE and the like; empty: of bytes, such as UTF-8.
  size_t mark = 0;            ///< Bytes of the byte order mark, which is no text.
};
/// By the byte order mark; UTF-16 and UTF-32 without one by where their zeros are.
TextForm text_form(std::string_view bytes);

struct DecodedText {
  std::string text;     ///< UTF-8 without byte order mark, unless there is a problem.
  std::string problem;  ///< "line 3: the byte ..." where it is not what it says it is, else empty.
};
/// Bytes as UTF-8. They are in the form that text_form finds, else in the `declared` encoding, else
/// UTF-8. With a problem, `text` is what was decoded before it; bytes that should have been UTF-8
/// are all kept. Names of encodings are read as browsers do: gb2312 is GB18030, latin1 is
/// windows-1252.
DecodedText decode_text(std::string_view bytes, std::string_view declared = {});

}  // namespace kestrel
