#include <kestrel/registry/python/parser.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

namespace kestrel::python {
namespace {

using Form = Expression::Kind;

constexpr int kMaxNesting = 100;
constexpr int kMaxPostfixes = 20;

constexpr std::array<std::pair<std::string_view, std::string_view>, 19> kStatements = {{
    {"import", "an import"},
    {"from", "an import"},
    {"for", "a for loop"},
    {"while", "a while loop"},
    {"if", "an if statement"},
    {"def", "a function"},
    {"class", "a class"},
    {"with", "a with statement"},
    {"try", "a try statement"},
    {"assert", "an assertion"},
    {"del", "a del statement"},
    {"global", "a global statement"},
    {"nonlocal", "a nonlocal statement"},
    {"return", "a return statement"},
    {"raise", "a raise statement"},
    {"pass", "a pass statement"},
    {"break", "a break statement"},
    {"continue", "a continue statement"},
    {"async", "an async statement"},
}};

constexpr std::array<std::string_view, 15> kOtherKeywords = {
    "and", "as",     "elif", "else",  "except", "finally", "in", "is",
    "not", "lambda", "or",   "await", "yield",  "for",     "if"};

bool is_keyword(std::string_view name) {
  return std::ranges::find(kOtherKeywords, name) != kOtherKeywords.end() || name == "None" ||
         name == "True" || name == "False" ||
         std::ranges::any_of(kStatements, [&](const auto& entry) { return entry.first == name; });
}

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

// Counts how deep the parser is in an expression.
class Parser::Nesting {
 public:
  explicit Nesting(Parser& parser) : depth_(parser.depth_) {
    if (++depth_ > kMaxNesting) {
      parser.source_.fail(parser.token_.line, "this is nested too deeply");
    }
  }
  ~Nesting() { --depth_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  int& depth_;
};

bool Parser::take(std::string_view op) {
  if (!token_.is(op)) return false;
  advance();
  return true;
}

bool Parser::take_name(std::string_view name) {
  if (!token_.is_name(name)) return false;
  advance();
  return true;
}

void Parser::expect(std::string_view op, std::string_view after) {
  if (!take(op)) {
    source_.fail(token_.line, "expected '", op, "' after ", after,
                 token_.text.empty() ? "" : ", got '" + token_.text.substr(0, 40) + "'");
  }
}

void Parser::fail_unexpected() const {
  switch (token_.kind) {
    case Token::Kind::End:
      source_.fail(token_.line, "the file ends where a value should be");
    case Token::Kind::NewLine:
      source_.fail(token_.line, "the line ends where a value should be");
    case Token::Kind::Text:
    case Token::Kind::Formatted:
      source_.fail(token_.line, "unexpected text '", token_.text.substr(0, 40), "'");
    default:
      source_.fail(token_.line, "unexpected '", token_.text.substr(0, 40), "'");
  }
}

std::vector<Statement> Parser::file() {
  std::vector<Statement> statements;
  while (token_.kind != Token::Kind::End) {
    if (token_.kind == Token::Kind::NewLine) {
      advance();
      continue;
    }
    statements.push_back(statement());
    if (take(";")) continue;
    if (token_.kind != Token::Kind::NewLine) fail_unexpected();
  }
  return statements;
}

Expression Parser::only_expression() {
  Expression value = expressions();
  if (token_.kind != Token::Kind::NewLine && token_.kind != Token::Kind::End) fail_unexpected();
  return value;
}

Statement Parser::statement() {
  for (const auto& [keyword, construct] : kStatements) {
    if (token_.is_name(keyword)) source_.refuse(token_.line, construct);
  }
  if (token_.is("@")) source_.refuse(token_.line, "a decorator");
  Statement statement{.line = token_.line};
  statement.value = expressions();
  if (token_.is(":")) source_.refuse(token_.line, "an annotation");
  if (token_.kind == Token::Kind::Operator && token_.text.size() > 1 && token_.text.back() == '=' &&
      token_.text.find_first_of("<>!=:") == token_.text.size() - 1) {
    source_.refuse(token_.line, "the assignment '" + token_.text + "'");
  }
  while (take("=")) {
    check_target(statement.value);
    statement.targets.push_back(std::move(statement.value));
    statement.value = expressions();
  }
  const Form kind = statement.value.kind;
  if (statement.targets.empty() && kind != Form::Call && kind != Form::Text) {
    source_.refuse(statement.line, "a value that is not assigned to a name");
  }
  return statement;
}

void Parser::check_target(const Expression& target) const {
  switch (target.kind) {
    case Form::Name:
      return;
    case Form::Tuple:
    case Form::List:
      for (const Expression& part : target.parts) check_target(part);
      return;
    case Form::Item:
    case Form::Slice:
      source_.refuse(target.line, "an assignment to an item");
    default:
      source_.fail(target.line, "only names can be assigned to");
  }
}

// One expression, or a tuple of several without parentheses.
Expression Parser::expressions() {
  Expression first = token_.is("*") ? atom() : expression();
  if (!token_.is(",")) {
    if (first.kind == Form::Unpacked) source_.fail(first.line, "'*' has to stand in a list");
    return first;
  }
  Expression tuple{.kind = Form::Tuple, .line = first.line};
  tuple.parts.push_back(std::move(first));
  while (take(",")) {
    if (token_.kind == Token::Kind::NewLine || token_.kind == Token::Kind::End || token_.is("=") ||
        token_.is(")") || token_.is("]") || token_.is(";")) {
      break;
    }
    tuple.parts.push_back(token_.is("*") ? atom() : expression());
  }
  return tuple;
}

Expression Parser::expression() {
  const Nesting nesting(*this);
  Expression value = disjunction();
  if (token_.is(":=")) source_.refuse(token_.line, "the assignment ':='");
  if (!token_.is_name("if")) return value;
  Expression whole = make(Form::Conditional);
  advance();
  whole.parts.push_back(disjunction());
  whole.parts.push_back(std::move(value));
  if (!take_name("else")) source_.fail(token_.line, "expected 'else' after 'if'");
  whole.parts.push_back(expression());
  return whole;
}

Expression Parser::disjunction() {
  Expression first = conjunction();
  if (!token_.is_name("or")) return first;
  Expression whole{.kind = Form::Or, .line = first.line};
  whole.parts.push_back(std::move(first));
  while (take_name("or")) whole.parts.push_back(conjunction());
  return whole;
}

Expression Parser::conjunction() {
  Expression first = negation();
  if (!token_.is_name("and")) return first;
  Expression whole{.kind = Form::And, .line = first.line};
  whole.parts.push_back(std::move(first));
  while (take_name("and")) whole.parts.push_back(negation());
  return whole;
}

Expression Parser::negation() {
  if (!token_.is_name("not")) return comparison();
  const Nesting nesting(*this);
  Expression whole = make(Form::Unary);
  whole.operators.emplace_back("not");
  advance();
  whole.parts.push_back(negation());
  return whole;
}

Expression Parser::comparison() {
  const auto op = [&]() -> std::string {
    for (const std::string_view text : {"<", ">", "<=", ">=", "==", "!="}) {
      if (take(text)) return std::string(text);
    }
    if (take_name("in")) return "in";
    if (take_name("is")) return take_name("not") ? "is not" : "is";
    if (token_.is_name("not")) {
      advance();
      if (!take_name("in")) source_.fail(token_.line, "expected 'in' after 'not'");
      return "not in";
    }
    return {};
  };
  Expression first = sum();
  std::string next = op();
  if (next.empty()) return first;
  Expression whole{.kind = Form::Compare, .line = first.line};
  whole.parts.push_back(std::move(first));
  for (; !next.empty(); next = op()) {
    whole.operators.push_back(std::move(next));
    whole.parts.push_back(sum());
  }
  return whole;
}

Expression Parser::sum() {
  Expression first = product();
  for (const std::string_view op : {"|", "^", "&", "<<", ">>"}) {
    if (token_.is(op)) source_.refuse(token_.line, "the operator '" + token_.text + "'");
  }
  if (!token_.is("+") && !token_.is("-")) return first;
  Expression whole{.kind = Form::Binary, .line = first.line};
  whole.parts.push_back(std::move(first));
  while (token_.is("+") || token_.is("-")) {
    whole.operators.push_back(token_.text);
    advance();
    whole.parts.push_back(product());
  }
  return whole;
}

Expression Parser::product() {
  const auto at_operator = [&] {
    return token_.is("*") || token_.is("/") || token_.is("//") || token_.is("%");
  };
  Expression first = factor();
  if (token_.is("@")) source_.refuse(token_.line, "the operator '@'");
  if (!at_operator()) return first;
  Expression whole{.kind = Form::Binary, .line = first.line};
  whole.parts.push_back(std::move(first));
  while (at_operator()) {
    whole.operators.push_back(token_.text);
    advance();
    whole.parts.push_back(factor());
  }
  return whole;
}

Expression Parser::factor() {
  if (token_.is("~")) source_.refuse(token_.line, "the operator '~'");
  if (!token_.is("-") && !token_.is("+")) return power();
  const Nesting nesting(*this);
  Expression whole = make(Form::Unary);
  whole.operators.push_back(token_.text);
  advance();
  whole.parts.push_back(factor());
  return whole;
}

Expression Parser::power() {
  Expression base = postfix();
  if (!token_.is("**")) return base;
  const Nesting nesting(*this);
  Expression whole = make(Form::Power);
  advance();
  whole.parts.push_back(std::move(base));
  whole.parts.push_back(factor());
  return whole;
}

Expression Parser::postfix() {
  Expression value = atom();
  for (int count = 0; token_.is("[") || token_.is("(") || token_.is("."); ++count) {
    if (count == kMaxPostfixes) source_.fail(token_.line, "too many indices and calls in a row");
    if (token_.is("[")) {
      value = item(std::move(value));
      continue;
    }
    Expression call = make(Form::Call);
    if (take(".")) {
      if (token_.kind != Token::Kind::Name) fail_unexpected();
      call.text = token_.text;
      call.parts.push_back(std::move(value));
      advance();
      if (!token_.is("(")) source_.refuse(call.line, "the attribute '." + call.text + "'");
    } else if (value.kind == Form::Name) {
      call.text = value.text;
    } else {
      source_.refuse(call.line, "a call of what is not a name");
    }
    arguments(call);
    value = std::move(call);
  }
  return value;
}

Expression Parser::item(Expression of) {
  Expression whole = make(Form::Item);
  advance();
  whole.parts.push_back(std::move(of));
  std::vector<Expression> bounds(1);
  while (!token_.is("]")) {
    if (take(":")) {
      bounds.emplace_back();
      if (bounds.size() > 3) source_.fail(token_.line, "a slice has three parts at most");
    } else if (bounds.back().kind == Form::Missing) {
      bounds.back() = bounds.size() == 1 ? expressions() : expression();
    } else {
      fail_unexpected();
    }
  }
  advance();
  if (bounds.size() > 1) {
    whole.kind = Form::Slice;
    bounds.resize(3);
  } else if (bounds[0].kind == Form::Missing) {
    source_.fail(whole.line, "there is no index between the brackets");
  }
  for (Expression& bound : bounds) whole.parts.push_back(std::move(bound));
  return whole;
}

void Parser::arguments(Expression& call) {
  advance();
  bool named = false;
  std::unordered_map<std::string, int> names;
  while (!token_.is(")")) {
    Expression argument = make(Form::Argument);
    Expression value;
    if (take("**")) {
      value = {.kind = Form::UnpackedDict, .line = argument.line};
      value.parts.push_back(expression());
      named = true;
    } else {
      value = token_.is("*") ? atom() : expression();
      if (value.kind == Form::Name && take("=")) {
        argument.text = value.text;
        const auto [first, fresh] = names.emplace(argument.text, argument.line);
        if (!fresh) {
          source_.fail(argument.line, "'", argument.text, "' is given twice, first in line ",
                       first->second);
        }
        value = expression();
        named = true;
      } else if (at_loop()) {
        Expression generator{.kind = Form::Generator, .line = argument.line};
        generator.parts.push_back(std::move(value));
        generator.loops = loops();
        value = std::move(generator);
        if (!call.arguments.empty() || !token_.is(")")) {
          source_.fail(argument.line, "a generator has to be the only argument");
        }
      } else if (named) {
        source_.fail(argument.line, "an argument without a name comes after one with a name");
      }
    }
    argument.parts.push_back(std::move(value));
    call.arguments.push_back(std::move(argument));
    if (!take(",")) break;
  }
  expect(")", "the arguments of " + call.text);
}

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

void Parser::refuse_keyword() const {
  if (token_.text == "lambda") source_.refuse(token_.line, "a lambda");
  if (token_.text == "await" || token_.text == "yield") {
    source_.refuse(token_.line, "'" + token_.text + "'");
  }
  if (is_keyword(token_.text)) fail_unexpected();
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
    if (loops.size() > kMaxNesting) source_.fail(token_.line, "too many loops in one another");
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
