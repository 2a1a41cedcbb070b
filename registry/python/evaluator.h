#pragma once

#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <kestrel/registry/python/functions.h>
#include <kestrel/registry/python/syntax.h>
#include <kestrel/registry/python/value.h>

namespace kestrel::python {

/// Runs the statements of a config file.
class Evaluator {
 public:
  explicit Evaluator(Heap& heap) : heap_(heap) {}

  void run(const std::vector<Statement>& statements);
  /// The names that the file has given values, in their order.
  const Dict& names() const { return names_; }
  /// Those of them whose values were used.
  const std::unordered_set<std::string>& used() const { return used_; }

 private:
  using Scope = std::vector<std::pair<std::string, Value>>;

  Value evaluate(const Expression& e);
  Value name(const Expression& e);
  Value chain(const Expression& e);
  Value comparison(const Expression& e);
  Value either(const Expression& e);
  Value sequence(const Expression& e, Value::Kind kind);
  Value dict(const Expression& e);
  Value formatted(const Expression& e);
  Value comprehension(const Expression& e);
  void loop(const Expression& e, size_t index, const Value& values, Items& items,
            const Value& into);
  Value call(const Expression& e);
  CallArguments arguments(const Expression& e);
  void assign(const Expression& target, const Value& value, Scope* scope);
  void unpack(const Expression& target, const Value& value, Scope* scope);

  Heap& heap_;
  Dict names_;
  std::unordered_set<std::string> used_;
  std::vector<Scope> scopes_;  // the loops of comprehensions, from the outermost
};

}  // namespace kestrel::python
