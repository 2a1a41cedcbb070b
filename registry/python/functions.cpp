#include <kestrel/registry/python/functions.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include <kestrel/registry/python/operators.h>

namespace kestrel::python {
namespace {

using Kind = Value::Kind;

constexpr std::array<std::string_view, 4> kMethods = {"update", "keys", "values", "items"};

/// A call of a function, with what all of them need.
struct Call {
  Heap& heap;
  int line;
  std::string_view name;
  const CallArguments& arguments;

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    heap.source().fail(line, name, "(): ", parts...);
  }
  void expect(size_t least, size_t most) const {
    if (!arguments.named.empty()) fail("unexpected argument '", arguments.named.front().first, "'");
    const size_t count = arguments.positional.size();
    if (count < least || count > most) fail("takes other arguments, got ", count);
  }
  const Value& argument(size_t i) const { return arguments.positional[i]; }
  Items items(size_t i) const { return iterate(heap, line, argument(i)); }
  int64_t integer(size_t i) const {
    if (!argument(i).is_integer()) fail("expected a whole number, got ", describe(argument(i)));
    return argument(i).integer();
  }
};

Value new_list(const Call& call, Kind kind) {
  call.expect(0, 1);
  return call.heap.items(call.line, kind,
                         call.arguments.positional.empty() ? Items() : call.items(0));
}

// What dict(...) and update(...) are given, into a dict.
void fill_dict(const Call& call, const Value& dict) {
  const auto& [positional, named] = call.arguments;
  if (positional.size() > 1) call.fail("takes one dict and names, got ", positional.size());
  if (!positional.empty()) {
    if (positional[0].is(Kind::Dict)) {
      const std::vector<Dict::Entry> entries = positional[0].dict().entries;
      for (const Dict::Entry& entry : entries) call.heap.set(dict, entry.key, entry.value);
    } else {
      for (const Value& pair : call.items(0)) {
        const Items both = iterate(call.heap, call.line, pair);
        if (both.size() != 2) call.fail("expected pairs, got ", both.size(), " items");
        call.heap.set(dict, both[0], both[1]);
      }
    }
  }
  for (const auto& [key, value] : named) {
    call.heap.set(dict, call.heap.text(value.line, key), value);
  }
}

Value make_dict(const Call& call) {
  const Value dict = call.heap.dict(call.line);
  fill_dict(call, dict);
  return dict;
}

Value len(const Call& call) {
  call.expect(1, 1);
  return {Kind::Int, call.line, length(call.heap, call.line, call.argument(0))};
}

Value range(const Call& call) {
  call.expect(1, 3);
  const size_t count = call.arguments.positional.size();
  const int64_t start = count > 1 ? call.integer(0) : 0;
  const int64_t stop = call.integer(count > 1 ? 1 : 0);
  const int64_t step = count > 2 ? call.integer(2) : 1;
  if (step == 0) call.fail("the step is 0");
  Items items;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    call.heap.spend(call.line, 1);
    items.push_back({Kind::Int, call.line, i});
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return call.heap.items(call.line, Kind::Range, std::move(items));
}

Value enumerate(const Call& call) {
  CallArguments arguments = call.arguments;
  if (arguments.named.size() == 1 && arguments.named[0].first == "start") {
    arguments.positional.push_back(arguments.named[0].second);
    arguments.named.clear();
  }
  const Call plain{call.heap, call.line, call.name, arguments};
  plain.expect(1, 2);
  int64_t number = arguments.positional.size() > 1 ? plain.integer(1) : 0;
  Items pairs;
  for (const Value& item : plain.items(0)) {
    const Value index{Kind::Int, call.line, number};
    if (__builtin_add_overflow(number, 1, &number)) call.fail("the start is too large");
    pairs.push_back(call.heap.items(call.line, Kind::Tuple, {index, item}));
  }
  return call.heap.items(call.line, Kind::Iterator, std::move(pairs));
}

Value zip(const Call& call) {
  if (!call.arguments.named.empty()) call.expect(0, 0);
  std::vector<Items> columns;
  size_t rows = std::numeric_limits<size_t>::max();
  for (size_t i = 0; i < call.arguments.positional.size(); ++i) {
    columns.push_back(call.items(i));
    rows = std::min(rows, columns.back().size());
  }
  Items tuples;
  for (size_t row = 0; row < rows && !columns.empty(); ++row) {
    Items tuple;
    for (const Items& column : columns) tuple.push_back(column[row]);
    tuples.push_back(call.heap.items(call.line, Kind::Tuple, std::move(tuple)));
  }
  return call.heap.items(call.line, Kind::Iterator, std::move(tuples));
}

Value extreme(const Call& call, std::string_view better) {
  if (!call.arguments.named.empty()) call.expect(0, 0);
  const Items items =
      call.arguments.positional.size() == 1 ? call.items(0) : call.arguments.positional;
  if (items.empty()) call.fail("there is nothing to choose from");
  Value best = items[0];
  for (const Value& item : items) {
    if (compare(call.heap, call.line, better, item, best)) best = item;
  }
  return best;
}

Value sum(const Call& call) {
  call.expect(1, 2);
  Value total = call.arguments.positional.size() > 1 ? call.argument(1)
                                                     : Value{Kind::Int, call.line, int64_t{0}};
  if (total.is(Kind::Text)) call.fail("texts are not summed");
  for (const Value& item : call.items(0)) total = binary(call.heap, call.line, "+", total, item);
  return total;
}

Value absolute(const Call& call) {
  call.expect(1, 1);
  const Value& value = call.argument(0);
  if (value.is_number() && (value.real() < 0 || std::signbit(value.real()))) {
    return unary(call.heap, call.line, "-", value);
  }
  return unary(call.heap, call.line, "+", value);
}

Value to_int(const Call& call) {
  call.expect(1, 1);
  const Value& value = call.argument(0);
  if (!value.is_number()) call.fail("expected a number, got ", describe(value));
  if (value.is_integer()) return {Kind::Int, call.line, value.integer()};
  if (!(std::abs(value.real()) < 9.2e18)) call.fail(describe(value), " is too large");
  return {Kind::Int, call.line, static_cast<int64_t>(value.real())};
}

Value to_float(const Call& call) {
  call.expect(1, 1);
  const Value& value = call.argument(0);
  if (value.is_number()) return {Kind::Float, call.line, value.real()};
  if (value.is(Kind::Text)) {
    const double infinity = std::numeric_limits<double>::infinity();
    if (value.text() == "inf") return {Kind::Float, call.line, infinity};
    if (value.text() == "-inf") return {Kind::Float, call.line, -infinity};
  }
  call.fail("expected a number or 'inf', got ", describe(value));
}

Value to_text(const Call& call) {
  call.expect(1, 1);
  return call.heap.text(call.line, text_of(call.heap.source(), call.line, call.argument(0)));
}

Value to_bool(const Call& call) {
  call.expect(1, 1);
  return {Kind::Bool, call.line, int64_t{is_true(call.heap.source(), call.argument(0))}};
}

using Function = Value (*)(const Call&);
constexpr std::array<std::pair<std::string_view, Function>, 15> kFunctions = {{
    {"dict", make_dict},
    {"list", [](const Call& call) { return new_list(call, Kind::List); }},
    {"tuple", [](const Call& call) { return new_list(call, Kind::Tuple); }},
    {"len", len},
    {"range", range},
    {"enumerate", enumerate},
    {"zip", zip},
    {"min", [](const Call& call) { return extreme(call, "<"); }},
    {"max", [](const Call& call) { return extreme(call, ">"); }},
    {"sum", sum},
    {"abs", absolute},
    {"int", to_int},
    {"float", to_float},
    {"str", to_text},
    {"bool", to_bool},
}};

}  // namespace

bool is_function(std::string_view name) {
  return std::ranges::any_of(kFunctions, [&](const auto& entry) { return entry.first == name; });
}

Value call_function(Heap& heap, int line, std::string_view name, const CallArguments& arguments) {
  for (const auto& [known, function] : kFunctions) {
    if (known == name) return function({heap, line, name, arguments});
  }
  heap.source().refuse(line, "a call of '" + std::string(name) + "'");
}

bool is_method(std::string_view name) {
  return std::ranges::find(kMethods, name) != kMethods.end();
}

Value call_method(Heap& heap, int line, std::string_view name, const Value& of,
                  const CallArguments& arguments) {
  if (!is_method(name) || !of.is(Kind::Dict)) {
    heap.source().refuse(line, "a call of '." + std::string(name) + "' of " + describe(of));
  }
  const Call call{heap, line, name, arguments};
  if (name == "update") {
    fill_dict(call, of);
    return {Kind::None, line};
  }
  call.expect(0, 0);
  Items items;
  for (const Dict::Entry& entry : of.dict().entries) {
    items.push_back(name == "keys"     ? entry.key
                    : name == "values" ? entry.value
                                       : heap.items(line, Kind::Tuple, {entry.key, entry.value}));
  }
  return heap.items(line, Kind::Iterator, std::move(items));
}

Items iterate(Heap& heap, int line, const Value& value) {
  if (value.is(Kind::Text)) return characters(heap, line, value.text());
  Items items;
  if (value.is(Kind::Dict)) {
    for (const Dict::Entry& entry : value.dict().entries) items.push_back(entry.key);
  } else if (value.is(Kind::Iterator)) {
    items = std::exchange(value.items(), {});
  } else if (value.is_sequence()) {
    items = value.items();
  } else {
    heap.source().fail(line, describe(value), " cannot be gone through");
  }
  heap.spend(line, items.size());
  return items;
}

}  // namespace kestrel::python
