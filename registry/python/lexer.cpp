#include <kestrel/registry/python/lexer.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace kestrel::python {
namespace {

constexpr int kMaxBrackets = 100;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool begins_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool continues_name(char c) {
  return begins_name(c) || is_digit(c);
}

// "_base_.a.b" of "{{ _base_.a.b }}", and how long all of it is; empty where it is something else.
std::string_view reference_at(std::string_view text, size_t& length) {
  size_t begin = 2;
  const auto skip = [&](size_t from) {
    return std::min(text.find_first_not_of(" \t\n\f\v", from), text.size());
  };
  begin = skip(begin);
  size_t end = begin;
  while (end < text.size() && (continues_name(text[end]) || text[end] == '.')) ++end;
  const std::string_view name = text.substr(begin, end - begin);
  const size_t close = skip(end);
  if (!name.starts_with("_base_.") || text.substr(close, 2) != "}}") return {};
  length = close + 2;
  return name;
}

}  // namespace

Token Lexer::next() {
  if (line_begins_) skip_to_line();
  skip_space();
  Token token{.line = line_};
  const char c = at(0);
  if (position_ >= source_.text.size()) {
    if (brackets_ > 0) source_.fail(line_, "the file ends inside a bracket");
    token.kind = line_begins_ ? Token::Kind::End : Token::Kind::NewLine;
    line_begins_ = true;
    return token;
  }
  line_begins_ = false;
  if (c == '\n') {
    ++position_;
    ++line_;
    line_begins_ = true;
    token.kind = Token::Kind::NewLine;
    return token;
  }
  if (c == '{' && at(1) == '{' && read_reference(token)) return token;
  if (is_digit(c) || (c == '.' && is_digit(at(1)))) {
    read_number(token);
    return token;
  }
  size_t prefix = 0;
  while (prefix < 3 && std::string_view("rRbBuUfF").find(at(prefix)) != std::string_view::npos &&
         at(prefix) != '\0') {
    ++prefix;
  }
  if (at(prefix) == '\'' || at(prefix) == '"') {
    read_text(token, prefix);
    return token;
  }
  if (begins_name(c)) {
    const size_t begin = position_;
    while (continues_name(at(0))) ++position_;
    token.kind = Token::Kind::Name;
    token.text = source_.text.substr(begin, position_ - begin);
    return token;
  }
  read_operator(token);
  return token;
}

// To the first token of a logical line, past lines that hold nothing.
void Lexer::skip_to_line() {
  while (position_ < source_.text.size()) {
    const size_t begin = position_;
    skip_space();
    if (at(0) == '\n') {
      ++position_;
      ++line_;
      continue;
    }
    if (position_ < source_.text.size() && position_ > begin) {
      source_.fail(line_, "this line is indented, and there is nothing that it could belong to");
    }
    return;
  }
}

void Lexer::skip_space() {
  while (position_ < source_.text.size()) {
    const char c = at(0);
    if (c == ' ' || c == '\t' || c == '\f') {
      ++position_;
    } else if (c == '#') {
      position_ = std::min(source_.text.find('\n', position_), source_.text.size());
    } else if (c == '\\' && at(1) == '\n') {
      position_ += 2;
      ++line_;
    } else if (c == '\n' && brackets_ > 0) {
      ++position_;
      ++line_;
    } else {
      return;
    }
  }
}

bool Lexer::read_reference(Token& token) {
  size_t length = 0;
  const std::string_view rest = source_.text.substr(position_);
  const std::string_view name = reference_at(rest, length);
  if (name.empty()) return false;
  line_ += static_cast<int>(std::ranges::count(rest.substr(0, length), '\n'));
  position_ += length;
  token.kind = Token::Kind::Reference;
  token.text = name.substr(std::string_view("_base_.").size());
  return true;
}

void Lexer::read_number(Token& token) {
  std::string digits;
  int base = 10;
  const auto digit_of_base = [&](char c) {
    if (base == 16) return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    return c >= '0' && c < '0' + base;
  };
  // A run of digits, in which single underscores may stand between two.
  const auto run = [&] {
    while (digit_of_base(at(0)) ||
           (at(0) == '_' && !digits.empty() && digit_of_base(at(1)) && at(1) != '_')) {
      if (at(0) != '_') digits += at(0);
      ++position_;
    }
  };
  bool real = false;
  const char kind = static_cast<char>(at(1) | 0x20);
  if (at(0) == '0' && (kind == 'x' || kind == 'o' || kind == 'b')) {
    base = kind == 'x' ? 16 : kind == 'o' ? 8 : 2;
    position_ += 2;
    if (at(0) == '_') ++position_;
    run();
  } else {
    run();
    const bool zeros = std::ranges::all_of(digits, [](char c) { return c == '0'; });
    const bool leading_zero = digits.size() > 1 && digits[0] == '0' && !zeros;
    if (at(0) == '.') {
      real = true;
      digits += '.';
      ++position_;
      if (is_digit(at(0))) run();
    }
    const size_t sign = at(1) == '+' || at(1) == '-' ? 1 : 0;
    if ((at(0) == 'e' || at(0) == 'E') && is_digit(at(1 + sign))) {
      real = true;
      digits += 'e';
      if (sign) digits += at(1);
      position_ += 1 + sign;
      run();
    }
    if (leading_zero && !real) source_.fail(line_, "a number may not begin with 0");
  }
  if (digits.empty() || continues_name(at(0))) {
    if (at(0) == 'j' || at(0) == 'J') source_.refuse(line_, "a complex number");
    source_.fail(line_, "not a number: '", digits, at(0), "'");
  }
  const char* end = digits.data() + digits.size();
  token.kind = real ? Token::Kind::Float : Token::Kind::Int;
  token.text = digits;
  const auto result = real ? std::from_chars(digits.data(), end, token.real)
                           : std::from_chars(digits.data(), end, token.integer, base);
  if (result.ec != std::errc() || result.ptr != end) {
    source_.fail(line_, "the number ", digits.substr(0, 40), " is too ",
                 real ? "large or too small" : "large");
  }
}

void Lexer::read_text(Token& token, size_t prefix) {
  bool formatted = false;
  for (size_t i = 0; i < prefix; ++i) {
    const char letter = static_cast<char>(at(i) | 0x20);
    if (letter == 'b') source_.refuse(line_, "a bytes literal");
    formatted |= letter == 'f';
    token.raw |= letter == 'r';
    if (letter == 'u' && prefix > 1) source_.fail(line_, "a text cannot begin with this prefix");
  }
  position_ += prefix;
  const char quote = at(0);
  const bool triple = at(1) == quote && at(2) == quote;
  position_ += triple ? 3 : 1;
  const size_t begin = position_;
  while (true) {
    if (position_ >= source_.text.size() || (at(0) == '\n' && !triple)) {
      source_.fail(token.line, "a quote is not closed");
    }
    if (at(0) == quote && (!triple || (at(1) == quote && at(2) == quote))) break;
    if (at(0) == '\\' && position_ + 1 < source_.text.size()) ++position_;
    if (at(0) == '\n') ++line_;
    ++position_;
  }
  const std::string_view body = source_.text.substr(begin, position_ - begin);
  position_ += triple ? 3 : 1;
  for (size_t i = body.find("{{"); i != std::string_view::npos; i = body.find("{{", i + 1)) {
    size_t length = 0;
    const std::string_view name = reference_at(body.substr(i), length);
    if (!name.empty()) {
      source_.fail(token.line, "{{", name,
                   "}} stands for a whole value, and cannot be part of a "
                   "text: write it without quotes");
    }
  }
  token.kind = formatted ? Token::Kind::Formatted : Token::Kind::Text;
  token.text = formatted || token.raw ? std::string(body) : unescape(source_, body, token.line);
}

void Lexer::read_operator(Token& token) {
  constexpr std::array<std::string_view, 47> kOperators = {
      "**=", "//=", ">>=", "<<=", "...", "**", "//", "<<", ">>", "<=", ">=", "==",
      "!=",  "->",  "+=",  "-=",  "*=",  "/=", "%=", "@=", "&=", "|=", "^=", ":=",
      "+",   "-",   "*",   "/",   "%",   "@",  "&",  "|",  "^",  "~",  "<",  ">",
      "(",   ")",   "[",   "]",   "{",   "}",  ",",  ":",  ".",  ";",  "="};
  const std::string_view rest = source_.text.substr(position_);
  const auto* found =
      std::ranges::find_if(kOperators, [&](std::string_view op) { return rest.starts_with(op); });
  if (found == kOperators.end()) source_.fail(line_, "unexpected character '", rest[0], "'");
  token.kind = Token::Kind::Operator;
  token.text = *found;
  position_ += found->size();
  const char c = token.text[0];
  if (c == '(' || c == '[' || c == '{') {
    if (++brackets_ > kMaxBrackets) source_.fail(line_, "brackets are nested too deeply");
  } else if (c == ')' || c == ']' || c == '}') {
    if (--brackets_ < 0) source_.fail(line_, "unexpected '", c, "'");
  }
}

namespace {

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
    return;
  }
  const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  constexpr std::array<uint32_t, 4> kFirst = {0, 0xc0, 0xe0, 0xf0};
  out += static_cast<char>(kFirst[static_cast<size_t>(more)] | (code >> (6 * more)));
  for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3f));
}

}  // namespace

std::string unescape(const Source& source, std::string_view text, int line) {
  constexpr std::string_view kEscapes = "\\'\"abfnrtv";
  constexpr std::string_view kMeanings = "\\'\"\a\b\f\n\r\t\v";
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i++];
      continue;
    }
    const char c = text[i + 1];
    i += 2;
    if (c == '\n') continue;
    if (const size_t found = kEscapes.find(c); found != std::string_view::npos) {
      out += kMeanings[found];
      continue;
    }
    const bool octal = c >= '0' && c <= '7';
    const size_t digits = octal ? 3 : c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (c == 'N') source.refuse(line, "a character's name (\\N)");
    if (digits == 0) {
      out += '\\';
      out += c;
      continue;
    }
    if (octal) --i;
    size_t end = i;
    while (end < text.size() && end < i + digits && text[end] >= '0' && text[end] <= '7') ++end;
    if (!octal) end = std::min(i + digits, text.size());
    uint32_t code = 0;
    const auto result = std::from_chars(text.data() + i, text.data() + end, code, octal ? 8 : 16);
    if (result.ec != std::errc() || result.ptr != text.data() + end ||
        (!octal && end - i != digits) || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
      source.fail(line, "not a character: \\", c);
    }
    append_utf8(out, code);
    i = end;
  }
  return out;
}

}  // namespace kestrel::python
