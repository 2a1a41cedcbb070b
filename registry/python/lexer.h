#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <kestrel/registry/python/source.h>

namespace kestrel::python {

struct Token {
  enum class Kind : uint8_t {
    Name,       ///< A keyword, too.
    Int,        ///< `integer`
    Float,      ///< `real`
    Text,       ///< `text` is its value
    Formatted,  ///< f'...'; `text` is what stands between the quotes
    Reference,  ///< {{ _base_.a.b }}; `text` is "a.b"
    Operator,   ///< `text` is "+", "(", "**", ...
    NewLine,    ///< The end of a logical line.
    End
  };
  Kind kind = Kind::End;
  int line = 1;
  std::string text;
  int64_t integer = 0;
  double real = 0;
  bool raw = false;  ///< Of a formatted text: backslashes stand for themselves.

  bool is(std::string_view op) const { return kind == Kind::Operator && text == op; }
  bool is_name(std::string_view name) const { return kind == Kind::Name && text == name; }
};

/// Takes Python's text apart, a token at a time.
class Lexer {
 public:
  /// `line` is the number of the text's first line.
  explicit Lexer(const Source& source, int line = 1) : source_(source), line_(line) {}

  Token next();

 private:
  char at(size_t offset) const {
    return position_ + offset < source_.text.size() ? source_.text[position_ + offset] : '\0';
  }
  void skip_to_line();
  void skip_space();
  bool read_reference(Token& token);
  void read_number(Token& token);
  void read_text(Token& token, size_t prefix);
  void read_operator(Token& token);

  const Source& source_;
  size_t position_ = 0;
  int line_;
  int brackets_ = 0;
  bool line_begins_ = true;
};

/// Puts what the escapes of a text literal mean in their place.
std::string unescape(const Source& source, std::string_view text, int line);

}  // namespace kestrel::python
