#include <kestrel/registry/python/parser.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

namespace kestrel::python {
namespace {

using Form = Expression::Kind;

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

}  // namespace

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

void Parser::refuse_keyword() const {
  if (token_.text == "lambda") source_.refuse(token_.line, "a lambda");
  if (token_.text == "await" || token_.text == "yield") {
    source_.refuse(token_.line, "'" + token_.text + "'");
  }
  if (is_keyword(token_.text)) fail_unexpected();
}

}  // namespace kestrel::python
