#pragma once

#include <vector>

#include <kestrel/registry/python/lexer.h>
#include <kestrel/registry/python/syntax.h>

namespace kestrel::python {

/// The statements of a config file. Throws UsageError with the line and the construct's name for
/// what is not Python, and for what a config may not hold.
class Parser {
 public:
  explicit Parser(const Source& source, int line = 1, int depth = 0)
      : source_(source), lexer_(source, line), depth_(depth) {
    advance();
  }

  std::vector<Statement> file();
  /// The only expression of the text.
  Expression only_expression();

 private:
  class Nesting;
  static constexpr int kMaxNesting = 100;

  void advance() { token_ = lexer_.next(); }
  bool take(std::string_view op);
  bool take_name(std::string_view name);
  void expect(std::string_view op, std::string_view after);
  [[noreturn]] void fail_unexpected() const;
  void refuse_keyword() const;

  Statement statement();
  void check_target(const Expression& target) const;
  Expression expressions();
  Expression expression();
  Expression disjunction();
  Expression conjunction();
  Expression negation();
  Expression comparison();
  Expression sum();
  Expression product();
  Expression factor();
  Expression power();
  Expression postfix();
  Expression atom();
  Expression texts();
  void formatted(const Token& token, std::vector<Expression>& parts);
  Expression parentheses();
  Expression list();
  Expression braces();
  Expression item(Expression of);
  void arguments(Expression& call);
  std::vector<Expression> loops();
  Expression loop_target();
  bool at_loop() const { return token_.is_name("for") || token_.is_name("async"); }
  Expression make(Expression::Kind kind) const { return {.kind = kind, .line = token_.line}; }

  const Source& source_;
  Lexer lexer_;
  Token token_;
  int depth_;
};

// Counts how deep the parser is in an expression.
class Parser::Nesting {
 public:
  explicit Nesting(Parser& parser) : depth_(parser.depth_) {
    if (++depth_ > Parser::kMaxNesting) {
      parser.source_.fail(parser.token_.line, "this is nested too deeply");
    }
  }
  ~Nesting() { --depth_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  int& depth_;
};

}  // namespace kestrel::python
