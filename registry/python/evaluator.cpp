#include <kestrel/registry/python/evaluator.h>

#include <algorithm>
#include <unordered_set>

#include <kestrel/registry/nearest_name.h>
#include <kestrel/registry/python/operators.h>

namespace kestrel::python {
namespace {

using Kind = Value::Kind;

}  // namespace

void Evaluator::run(const std::vector<Statement>& statements) {
  for (const Statement& statement : statements) {
    const Value value = evaluate(statement.value);
    for (const Expression& target : statement.targets) assign(target, value, nullptr);
    const bool forgotten = statement.targets.empty() && !value.is(Kind::None) &&
                           statement.value.kind != Expression::Kind::Text;
    if (forgotten) {
      heap_.source().refuse(statement.line, "a call whose value is not assigned to a name");
    }
  }
}

// To a name of the file, or of a comprehension's loop.
void Evaluator::assign(const Expression& target, const Value& value, Scope* scope) {
  heap_.spend(target.line, 1);
  if (target.kind != Expression::Kind::Name) return unpack(target, value, scope);
  if (scope) {
    const auto found =
        std::ranges::find_if(*scope, [&](const auto& entry) { return entry.first == target.text; });
    if (found != scope->end()) {
      found->second = value;
    } else {
      scope->emplace_back(target.text, value);
    }
    return;
  }
  const Value key{Kind::Text, target.line, &target.text};
  names_.set(target.text, key, value);
}

void Evaluator::unpack(const Expression& target, const Value& value, Scope* scope) {
  const Items items = iterate(heap_, target.line, value);
  if (items.size() != target.parts.size()) {
    heap_.source().fail(target.line, "there are ", target.parts.size(), " names for ", items.size(),
                        " values");
  }
  for (size_t i = 0; i < items.size(); ++i) assign(target.parts[i], items[i], scope);
}

Value Evaluator::evaluate(const Expression& e) {
  heap_.spend(e.line, 1);
  switch (e.kind) {
    case Expression::Kind::None:
      return {Kind::None, e.line};
    case Expression::Kind::Bool:
      return {Kind::Bool, e.line, e.integer};
    case Expression::Kind::Int:
      return {Kind::Int, e.line, e.integer};
    case Expression::Kind::Float:
      return {Kind::Float, e.line, e.real};
    case Expression::Kind::Text:
      return {Kind::Text, e.line, &e.text};
    case Expression::Kind::Reference:
      return {Kind::Reference, e.line, &e.text};
    case Expression::Kind::Formatted:
      return formatted(e);
    case Expression::Kind::Name:
      return name(e);
    case Expression::Kind::List:
      return sequence(e, Kind::List);
    case Expression::Kind::Tuple:
      return sequence(e, Kind::Tuple);
    case Expression::Kind::Dict:
      return dict(e);
    case Expression::Kind::Unary:
      return unary(heap_, e.line, e.operators[0], evaluate(e.parts[0]));
    case Expression::Kind::Binary:
      return chain(e);
    case Expression::Kind::Power: {
      const Value base = evaluate(e.parts[0]);
      return power(heap_, e.line, base, evaluate(e.parts[1]));
    }
    case Expression::Kind::Compare:
      return comparison(e);
    case Expression::Kind::And:
    case Expression::Kind::Or:
      return either(e);
    case Expression::Kind::Conditional: {
      const bool holds = is_true(heap_.source(), evaluate(e.parts[0]));
      return evaluate(e.parts[holds ? 1 : 2]);
    }
    case Expression::Kind::Item: {
      const Value of = evaluate(e.parts[0]);
      return item(heap_, e.line, of, evaluate(e.parts[1]));
    }
    case Expression::Kind::Slice: {
      const auto part = [&](size_t i) {
        const bool missing = e.parts[i].kind == Expression::Kind::Missing;
        return missing ? Value{Kind::None, e.line} : evaluate(e.parts[i]);
      };
      const Value of = part(0), start = part(1), stop = part(2);
      return slice(heap_, e.line, of, start, stop, part(3));
    }
    case Expression::Kind::Call:
      return call(e);
    case Expression::Kind::ListOf:
    case Expression::Kind::DictOf:
    case Expression::Kind::Generator:
      return comprehension(e);
    case Expression::Kind::Unpacked:
    case Expression::Kind::UnpackedDict:
    case Expression::Kind::Loop:
    case Expression::Kind::Argument:
    case Expression::Kind::Missing:
      break;
  }
  heap_.source().fail(e.line, "'*' has to stand in a list, a tuple or a call");
}

Value Evaluator::name(const Expression& e) {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    for (const auto& [known, value] : *scope) {
      if (known == e.text) return value;
    }
  }
  if (const Value* value = names_.find(e.text)) {
    used_.insert(e.text);
    return *value;
  }
  if (is_function(e.text)) {
    heap_.source().refuse(e.line, "the function '" + e.text + "' as a value");
  }
  std::vector<std::string> names;
  for (const Dict::Entry& entry : names_.entries) names.push_back(entry.key.text());
  heap_.source().fail(e.line, "the name '", e.text, "' has no value here",
                      did_you_mean(e.text, names));
}

Value Evaluator::chain(const Expression& e) {
  Value value = evaluate(e.parts[0]);
  for (size_t i = 0; i < e.operators.size(); ++i) {
    value = binary(heap_, e.parts[i + 1].line, e.operators[i], value, evaluate(e.parts[i + 1]));
  }
  return value;
}

Value Evaluator::comparison(const Expression& e) {
  Value left = evaluate(e.parts[0]);
  for (size_t i = 0; i < e.operators.size(); ++i) {
    const Value right = evaluate(e.parts[i + 1]);
    if (!compare(heap_, e.line, e.operators[i], left, right)) {
      return {Kind::Bool, e.line, int64_t{0}};
    }
    left = right;
  }
  return {Kind::Bool, e.line, int64_t{1}};
}

Value Evaluator::either(const Expression& e) {
  Value value;
  for (const Expression& part : e.parts) {
    value = evaluate(part);
    if (is_true(heap_.source(), value) == (e.kind == Expression::Kind::Or)) break;
  }
  return value;
}

Value Evaluator::sequence(const Expression& e, Kind kind) {
  Items items;
  for (const Expression& part : e.parts) {
    if (part.kind == Expression::Kind::Unpacked) {
      for (const Value& item : iterate(heap_, part.line, evaluate(part.parts[0])))
        items.push_back(item);
    } else {
      items.push_back(evaluate(part));
    }
  }
  return heap_.items(e.line, kind, std::move(items));
}

Value Evaluator::dict(const Expression& e) {
  const Value dict = heap_.dict(e.line);
  for (size_t i = 0; i < e.parts.size(); i += 2) {
    if (e.parts[i].kind != Expression::Kind::Missing) {
      const Value key = evaluate(e.parts[i]);
      heap_.set(dict, key, evaluate(e.parts[i + 1]));
      continue;
    }
    const Value other = evaluate(e.parts[i + 1]);
    if (!other.is(Kind::Dict)) {
      heap_.source().fail(e.line, "'**' needs a dict, got ", describe(other));
    }
    for (const Dict::Entry& entry : other.dict().entries) heap_.set(dict, entry.key, entry.value);
  }
  return dict;
}

Value Evaluator::formatted(const Expression& e) {
  std::string text;
  for (const Expression& part : e.parts) {
    const std::string more = text_of(heap_.source(), part.line, evaluate(part));
    heap_.spend(part.line, more.size() / 16);
    text += more;
  }
  return heap_.text(e.line, std::move(text));
}

Value Evaluator::comprehension(const Expression& e) {
  // The first loop's values do not see the names of the loops.
  const Value values = evaluate(e.loops[0].parts[1]);
  const bool makes_dict = e.kind == Expression::Kind::DictOf;
  const Value into = makes_dict ? heap_.dict(e.line) : Value{};
  Items items;
  scopes_.emplace_back();
  loop(e, 0, values, items, into);
  scopes_.pop_back();
  if (makes_dict) return into;
  const bool list = e.kind == Expression::Kind::ListOf;
  return heap_.items(e.line, list ? Kind::List : Kind::Iterator, std::move(items));
}

void Evaluator::loop(const Expression& e, size_t index, const Value& values, Items& items,
                     const Value& into) {
  const std::vector<Expression>& parts = e.loops[index].parts;
  for (const Value& value : iterate(heap_, parts[0].line, values)) {
    assign(parts[0], value, &scopes_.back());
    const bool taken = std::all_of(
        parts.begin() + 2, parts.end(),
        [&](const Expression& condition) { return is_true(heap_.source(), evaluate(condition)); });
    if (!taken) continue;
    if (index + 1 < e.loops.size()) {
      this->loop(e, index + 1, evaluate(e.loops[index + 1].parts[1]), items, into);
    } else if (e.kind == Expression::Kind::DictOf) {
      const Value key = evaluate(e.parts[0]);
      heap_.set(into, key, evaluate(e.parts[1]));
    } else {
      items.push_back(evaluate(e.parts[0]));
    }
  }
}

Value Evaluator::call(const Expression& e) {
  if (!e.parts.empty()) {
    // Named before it is looked at: os.path.join(...) is a call, not an unknown name.
    if (!is_method(e.text)) heap_.source().refuse(e.line, "a call of '." + e.text + "'");
    const Value of = evaluate(e.parts[0]);
    return call_method(heap_, e.line, e.text, of, arguments(e));
  }
  if (!is_function(e.text) || names_.find(e.text)) {
    heap_.source().refuse(e.line, "a call of '" + e.text + "'");
  }
  return call_function(heap_, e.line, e.text, arguments(e));
}

CallArguments Evaluator::arguments(const Expression& e) {
  CallArguments arguments;
  std::unordered_set<std::string> given;
  const auto add = [&](const std::string& name, const Value& value, int line) {
    if (!given.insert(name).second) {
      heap_.source().fail(line, "'", name, "' is given twice");
    }
    arguments.named.emplace_back(name, value);
    arguments.named.back().second.line = line;
  };
  for (const Expression& argument : e.arguments) {
    const Expression& value = argument.parts[0];
    if (value.kind == Expression::Kind::Unpacked) {
      for (const Value& item : iterate(heap_, value.line, evaluate(value.parts[0])))
        arguments.positional.push_back(item);
    } else if (value.kind == Expression::Kind::UnpackedDict) {
      const Value dict = evaluate(value.parts[0]);
      if (!dict.is(Kind::Dict)) {
        heap_.source().fail(value.line, "'**' needs a dict, got ", describe(dict));
      }
      for (const Dict::Entry& entry : dict.dict().entries) {
        if (!entry.key.is(Kind::Text)) {
          heap_.source().fail(value.line, "'**' needs texts as keys, got ", describe(entry.key));
        }
        add(entry.key.text(), entry.value, entry.value.line);
      }
    } else if (!argument.text.empty()) {
      add(argument.text, evaluate(value), argument.line);
    } else {
      arguments.positional.push_back(evaluate(value));
    }
  }
  return arguments;
}

}  // namespace kestrel::python
