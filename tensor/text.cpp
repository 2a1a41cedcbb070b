#include <kestrel/tensor/text.h>

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <utility>

namespace kestrel {
namespace {

using namespace std::string_view_literals;

/// Bytes of the UTF-8 character that the text begins with; 0 where it begins with none.
size_t character_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first < 0xC2   ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                        : first < 0xF5 ? 4
                                       : 0;
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const uint8_t second = byte(1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool surrogate = first == 0xED && second >= 0xA0;
  const bool too_large = first == 0xF4 && second >= 0x90;
  return overlong || surrogate || too_large ? 0 : length;
}

std::string hex_of(char c) {
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "0x%02X", static_cast<uint8_t>(c));
  return text.data();
}

std::string line_at(std::string_view text, size_t at) {
  const auto line = 1 + std::ranges::count(text.substr(0, at), '\n');
  return "line " + std::to_string(line);
}

struct Encoding {
  std::string_view label, name;
};

// What files may claim to be in, and the C library's name of what they are then read as: as the
// WHATWG's Encoding Standard has it, the larger kin of old sets. A file names no others.
constexpr std::array kEncodings = std::to_array<Encoding>({
    {"GB2312", "GB18030"},
    {"GB_2312-80", "GB18030"},
    {"GBK", "GB18030"},
    {"X-GBK", "GB18030"},
    {"CP936", "GB18030"},
    {"GB18030", "GB18030"},
    {"BIG5", "BIG5-HKSCS"},
    {"BIG5-HKSCS", "BIG5-HKSCS"},
    {"CP950", "BIG5-HKSCS"},
    {"SHIFT_JIS", "CP932"},
    {"SHIFT-JIS", "CP932"},
    {"SJIS", "CP932"},
    {"X-SJIS", "CP932"},
    {"CP932", "CP932"},
    {"EUC-JP", "EUC-JP"},
    {"EUC-KR", "CP949"},
    {"KS_C_5601-1987", "CP949"},
    {"CP949", "CP949"},
    {"US-ASCII", "CP1252"},
    {"ASCII", "CP1252"},
    {"LATIN1", "CP1252"},
    {"LATIN-1", "CP1252"},
    {"L1", "CP1252"},
    {"ISO-8859-1", "CP1252"},
    {"ISO-8859-2", "ISO-8859-2"},
    {"ISO-8859-3", "ISO-8859-3"},
    {"ISO-8859-4", "ISO-8859-4"},
    {"ISO-8859-5", "ISO-8859-5"},
    {"ISO-8859-6", "ISO-8859-6"},
    {"ISO-8859-7", "ISO-8859-7"},
    {"ISO-8859-8", "ISO-8859-8"},
    {"ISO-8859-9", "CP1254"},
    {"ISO-8859-10", "ISO-8859-10"},
    {"ISO-8859-11", "CP874"},
    {"TIS-620", "CP874"},
    {"CP874", "CP874"},
    {"ISO-8859-13", "ISO-8859-13"},
    {"ISO-8859-14", "ISO-8859-14"},
    {"ISO-8859-15", "ISO-8859-15"},
    {"ISO-8859-16", "ISO-8859-16"},
    {"KOI8-R", "KOI8-R"},
    {"KOI8-U", "KOI8-U"},
    {"MACINTOSH", "MACINTOSH"},
    {"CP437", "CP437"},
    {"CP850", "CP850"},
    {"CP852", "CP852"},
    {"CP866", "CP866"},
    {"CP1250", "CP1250"},
    {"CP1251", "CP1251"},
    {"CP1252", "CP1252"},
    {"CP1253", "CP1253"},
    {"CP1254", "CP1254"},
    {"CP1255", "CP1255"},
    {"CP1256", "CP1256"},
    {"CP1257", "CP1257"},
    {"CP1258", "CP1258"},
});

/// In capitals, windows-1252 as CP1252, iso8859_1 as ISO-8859-1.
std::string usual_label(std::string_view declared) {
  std::string label(declared);
  for (char& c : label) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  for (const std::string_view prefix : {"WINDOWS-", "IBM-", "IBM"}) {
    if (label.starts_with(prefix)) return "CP" + label.substr(prefix.size());
  }
  if (label.starts_with("ISO8859") || label.starts_with("ISO_8859")) {
    label = "ISO-8859" + label.substr(label.find("8859") + 4);
    std::ranges::replace(label, '_', '-');
  }
  return label;
}

/// Empty where it is none of those above.
std::string encoding_of(const std::string& label) {
  const auto found = std::ranges::find(kEncodings, label, &Encoding::label);
  return found == kEncodings.end() ? std::string() : std::string(found->name);
}

class Converter {
 public:
  explicit Converter(const std::string& from) : handle_(::iconv_open("UTF-8", from.c_str())) {}
  ~Converter() {
    if (known()) ::iconv_close(handle_);
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;
  bool known() const { return reinterpret_cast<intptr_t>(handle_) != -1; }

  /// Appends what can be converted; where it ends.
  size_t convert(std::string_view bytes, std::string& out) {
    char* at = const_cast<char*>(bytes.data());  // iconv does not write there
    size_t left = bytes.size();
    std::array<char, 4096> buffer;
    while (left > 0) {
      char* to = buffer.data();
      size_t room = buffer.size();
      const size_t result = ::iconv(handle_, &at, &left, &to, &room);
      const int reason = errno;
      out.append(buffer.data(), buffer.size() - room);
      if (result == static_cast<size_t>(-1) && reason != E2BIG) break;
    }
    return bytes.size() - left;
  }

 private:
  iconv_t handle_;
};

DecodedText convert(std::string_view bytes, size_t mark, const std::string& encoding) {
  DecodedText out;
  Converter converter(encoding);
  if (!converter.known()) {
    out.text = bytes.substr(mark);
    out.problem = "this system cannot read " + encoding + "; save the file as UTF-8";
    return out;
  }
  const size_t end = mark + converter.convert(bytes.substr(mark), out.text);
  if (end < bytes.size()) {
    out.problem = line_at(out.text, out.text.size()) + ": the byte " + hex_of(bytes[end]) + " at " +
                  std::to_string(end) + " is not " + encoding + ", which it is said to be in";
  }
  return out;
}

}  // namespace

size_t find_not_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = character_length(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::string_view::npos;
}

std::string describe_not_utf8(std::string_view text, size_t at) {
  return line_at(text, at) + ": the byte " + hex_of(text[at]) + " at " + std::to_string(at) +
         " is not UTF-8";
}

std::string escape_not_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = character_length(text);
    if (length > 0) {
      out += text.substr(0, length);
    } else {
      out += "\\x" + hex_of(text.front()).substr(2);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return out;
}

TextForm text_form(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF"sv)) return {"", 3};
  if (bytes.starts_with("\xFF\xFE\0\0"sv) && bytes.size() % 4 == 0) return {"UTF-32LE", 4};
  if (bytes.starts_with("\0\0\xFE\xFF"sv)) return {"UTF-32BE", 4};
  if (bytes.starts_with("\xFF\xFE"sv)) return {"UTF-16LE", 2};
  if (bytes.starts_with("\xFE\xFF"sv)) return {"UTF-16BE", 2};
  if (bytes.size() < 4) return {};
  const auto zero = [&](size_t i) { return bytes[i] == '\0'; };
  // What is read here begins with two characters of ASCII.
  if (zero(0) && zero(1) && zero(2) && !zero(3)) return {"UTF-32BE", 0};
  if (!zero(0) && zero(1) && zero(2) && zero(3)) return {"UTF-32LE", 0};
  if (zero(0) && !zero(1) && zero(2) && !zero(3)) return {"UTF-16BE", 0};
  if (!zero(0) && zero(1) && !zero(2) && zero(3)) return {"UTF-16LE", 0};
  return {};
}

DecodedText decode_text(std::string_view bytes, std::string_view declared) {
  const TextForm form = text_form(bytes);
  if (*form.encoding != '\0') return convert(bytes, form.mark, form.encoding);
  // A text of bytes that says it is UTF-16 was written by a program that thought of its strings.
  const std::string label = usual_label(declared);
  const bool unicode = label.empty() || label.starts_with("UTF") || label.starts_with("UCS") ||
                       label.starts_with("ISO-10646");
  if (!unicode && form.mark == 0) {
    const std::string encoding = encoding_of(label);
    if (!encoding.empty()) return convert(bytes, 0, encoding);
    if (!is_utf8(bytes)) {
      return {std::string(bytes), "the encoding '" + escape_not_utf8(declared.substr(0, 40)) +
                                      "' is not known; save the file as UTF-8"};
    }
  }
  DecodedText out{.text = std::string(bytes.substr(form.mark)), .problem = {}};
  const size_t at = find_not_utf8(out.text);
  if (at != std::string_view::npos) out.problem = describe_not_utf8(out.text, at);
  return out;
}

}  // namespace kestrel
