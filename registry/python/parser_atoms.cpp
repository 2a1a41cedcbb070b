#include <kestrel/registry/python/parser.h>

#include <string>
#include <utility>

namespace kestrel::python {
namespace {

using Form = Expression::Kind;

constexpr size_t kMaxLoops = 20;

// Whether what stands in the braces of a formatted text is more than a plain expression.
bool has_format(std::string_view inner) {
  if (inner.find_first_of("{\\\n#") != std::string_view::npos) return true;
  const size_t last = inner.find_last_not_of(" \t");
  if (last != std::string_view::npos && inner[last] == '=') return true;
  int brackets = 0;
  for (size_t i = 0; i < inner.size(); ++i) {
    const char c = inner[i];
    brackets += c == '(' || c == '[' ? 1 : c == ')' || c == ']' ? -1 : 0;
    if (brackets > 0) continue;
    if (c == ':' || (c == '!' && inner.substr(i + 1, 1) != "=")) return true;
  }
  return false;
}

}  // namespace

Expression Parser::atom() {
  Expression value = make(Form::None);
  switch (token_.kind) {
    case Token::Kind::Int:
      value.kind = Form::Int;
      value.integer = token_.integer;
      break;
    case Token::Kind::Float:
      value.kind = Form::Float;
      value.real = token_.real;
      break;
    case Token::Kind::Text:
    case Token::Kind::Formatted:
      return texts();
    case Token::Kind::Reference:
      value.kind = Form::Reference;
      value.text = token_.text;
      break;
    case Token::Kind::Name:
      if (token_.text == "True" || token_.text == "False") {
        value.kind = Form::Bool;
        value.integer = token_.text == "True";
      } else if (token_.text != "None") {
        refuse_keyword();
        value.kind = Form::Name;
        value.text = token_.text;
      }
      break;
    case Token::Kind::Operator:
      if (token_.text == "(") return parentheses();
      if (token_.text == "[") return list();
      if (token_.text == "{") return braces();
      if (token_.text == "...") source_.refuse(token_.line, "'...'");
      if (token_.text == "*") {
        advance();
        value.kind = Form::Unpacked;
        value.parts.push_back(disjunction());
        return value;
      }
      fail_unexpected();
    default:
      fail_unexpected();
  }
  advance();
  return value;
}

// Literals that follow each other are one.
Expression Parser::texts() {
  Expression whole = make(Form::Formatted);
  bool formatted_one = false;
  while (token_.kind == Token::Kind::Text || token_.kind == Token::Kind::Formatted) {
    if (token_.kind == Token::Kind::Text) {
      Expression text = make(Form::Text);
      text.text = token_.text;
      whole.parts.push_back(std::move(text));
    } else {
      formatted_one = true;
      formatted(token_, whole.parts);
    }
    advance();
  }
  if (token_.kind == Token::Kind::Reference) {
    source_.fail(token_.line, "{{_base_.", token_.text,
                 "}} stands for a whole value, and cannot be part of a text");
  }
  if (formatted_one) return whole;
  Expression text{.kind = Form::Text, .line = whole.line};
  for (const Expression& part : whole.parts) text.text += part.text;
  return text;
}

void Parser::formatted(const Token& token, std::vector<Expression>& parts) {
  const Nesting nesting(*this);
  const std::string_view body = token.text;
  Expression text{.kind = Form::Text, .line = token.line};
  std::string literal;
  const auto end_literal = [&] {
    text.text = token.raw ? literal : unescape(source_, literal, token.line);
    parts.push_back(text);
    literal.clear();
  };
  for (size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if ((c == '{' || c == '}') && i + 1 < body.size() && body[i + 1] == c) {
      literal += c;
      ++i;
    } else if (c == '}') {
      source_.fail(token.line, "a single '}' in a formatted text");
    } else if (c != '{') {
      literal += c;
    } else {
      end_literal();
      const size_t end = body.find('}', i);
      if (end == std::string_view::npos) {
        source_.fail(token.line, "a brace of a formatted text is not closed");
      }
      const std::string_view inner = body.substr(i + 1, end - i - 1);
      if (has_format(inner)) {
        source_.refuse(token.line, "a format or conversion in a formatted text");
      }
      if (inner.find_first_not_of(" \t") == std::string_view::npos) {
        source_.fail(token.line, "a formatted text has empty braces");
      }
      // In parentheses, space at the ends means nothing.
      const std::string bracketed = '(' + std::string(inner) + ')';
      const Source part{.name = source_.name, .text = bracketed};
      parts.push_back(Parser(part, token.line, depth_).only_expression());
      i = end;
    }
  }
  end_literal();
}

Expression Parser::parentheses() {
  const Nesting nesting(*this);
  Expression tuple = make(Form::Tuple);
  advance();
  if (take(")")) return tuple;
  if (token_.is_name("yield")) refuse_keyword();
  Expression inner = token_.is("*") ? atom() : expression();
  if (at_loop()) {
    tuple.kind = Form::Generator;
    tuple.parts.push_back(std::move(inner));
    tuple.loops = loops();
    expect(")", "a generator");
    return tuple;
  }
  if (take(")")) {
    if (inner.kind == Form::Unpacked) source_.fail(inner.line, "'*' has to stand in a list");
    return inner;
  }
  tuple.parts.push_back(std::move(inner));
  while (take(",")) {
    if (token_.is(")")) break;
    tuple.parts.push_back(token_.is("*") ? atom() : expression());
  }
  expect(")", "the items of a tuple");
  return tuple;
}

Expression Parser::list() {
  const Nesting nesting(*this);
  Expression list = make(Form::List);
  advance();
  while (!token_.is("]")) {
    list.parts.push_back(token_.is("*") ? atom() : expression());
    if (list.parts.size() == 1 && at_loop()) {
      list.kind = Form::ListOf;
      list.loops = loops();
      break;
    }
    if (!take(",")) break;
  }
  expect("]", "the items of a list");
  return list;
}

Expression Parser::braces() {
  const Nesting nesting(*this);
  Expression dict = make(Form::Dict);
  advance();
  while (!token_.is("}")) {
    if (take("**")) {
      dict.parts.emplace_back();
      dict.parts.push_back(disjunction());
    } else {
      if (token_.is("*")) source_.refuse(dict.line, "a set");
      dict.parts.push_back(expression());
      if (token_.is(",") || token_.is("}") || at_loop()) source_.refuse(dict.line, "a set");
      expect(":", "a key");
      dict.parts.push_back(expression());
      if (dict.parts.size() == 2 && at_loop()) {
        dict.kind = Form::DictOf;
        dict.loops = loops();
        break;
      }
    }
    if (!take(",")) break;
  }
  expect("}", "the items of a dict");
  return dict;
}

std::vector<Expression> Parser::loops() {
  std::vector<Expression> loops;
  while (at_loop()) {
    if (token_.is_name("async")) source_.refuse(token_.line, "'async'");
    Expression loop = make(Form::Loop);
    advance();
    loop.parts.push_back(loop_target());
    if (!take_name("in")) source_.fail(token_.line, "expected 'in' after 'for'");
    loop.parts.push_back(disjunction());
    while (take_name("if")) loop.parts.push_back(disjunction());
    loops.push_back(std::move(loop));
    if (loops.size() > kMaxLoops) source_.fail(token_.line, "too many loops in one another");
  }
  return loops;
}

// Names, in tuples perhaps: what stands before 'in'.
Expression Parser::loop_target() {
  Expression first = postfix();
  Expression tuple{.kind = Form::Tuple, .line = first.line};
  check_target(first);
  if (!token_.is(",")) return first;
  tuple.parts.push_back(std::move(first));
  while (take(",")) {
    if (token_.is_name("in")) break;
    tuple.parts.push_back(postfix());
    check_target(tuple.parts.back());
  }
  return tuple;
}

}  // namespace kestrel::python
