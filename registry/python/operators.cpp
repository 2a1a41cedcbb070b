#include <kestrel/registry/python/operators.h>

#include <algorithm>
#include <cmath>
#include <compare>

namespace kestrel::python {
namespace {

using Kind = Value::Kind;

constexpr int kMaxCompareDepth = 100;
// Up to here every whole number is a double, too.
constexpr int64_t kExact = int64_t{1} << 53;

Value integer(int line, int64_t value) {
  return {Kind::Int, line, value};
}
Value real(int line, double value) {
  return {Kind::Float, line, value};
}

[[noreturn]] void fail_operands(Heap& heap, int line, std::string_view op, const Value& a,
                                const Value& b) {
  heap.source().fail(line, "'", op, "' cannot be applied to ", describe(a), " and ", describe(b));
}
[[noreturn]] void fail_large(Heap& heap, int line) {
  heap.source().fail(line, "a whole number is too large: 64 bits are kept");
}
[[noreturn]] void fail_zero(Heap& heap, int line) {
  heap.source().fail(line, "division by zero");
}

// Towards minus infinity, and what is left, with the sign of b.
int64_t floor_divide(int64_t a, int64_t b, int64_t& rest) {
  int64_t quotient = a / b;
  rest = a % b;
  if (rest != 0 && (rest < 0) != (b < 0)) {
    rest += b;
    --quotient;
  }
  return quotient;
}

double floor_divide(double a, double b, double& rest) {
  rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0) {
    if ((b < 0) != (rest < 0)) {
      rest += b;
      quotient -= 1;
    }
  } else {
    rest = std::copysign(0.0, b);
  }
  if (quotient == 0) return std::copysign(0.0, a / b);
  double whole = std::floor(quotient);
  if (quotient - whole > 0.5) whole += 1;
  return whole;
}

Value of_integers(Heap& heap, int line, std::string_view op, int64_t a, int64_t b) {
  int64_t result = 0;
  if (op == "+" || op == "-" || op == "*") {
    const bool overflow = op == "+"   ? __builtin_add_overflow(a, b, &result)
                          : op == "-" ? __builtin_sub_overflow(a, b, &result)
                                      : __builtin_mul_overflow(a, b, &result);
    if (overflow) fail_large(heap, line);
    return integer(line, result);
  }
  if (b == 0) fail_zero(heap, line);
  if (op == "/") {
    if (std::max(a, b) > kExact || std::min(a, b) < -kExact) fail_large(heap, line);
    return real(line, static_cast<double>(a) / static_cast<double>(b));
  }
  if (b == -1) {
    if (op == "%") return integer(line, 0);
    if (__builtin_sub_overflow(int64_t{0}, a, &result)) fail_large(heap, line);
    return integer(line, result);
  }
  int64_t rest = 0;
  const int64_t quotient = floor_divide(a, b, rest);
  return integer(line, op == "%" ? rest : quotient);
}

Value of_reals(Heap& heap, int line, std::string_view op, double a, double b) {
  if (op == "+") return real(line, a + b);
  if (op == "-") return real(line, a - b);
  if (op == "*") return real(line, a * b);
  if (b == 0) fail_zero(heap, line);
  if (op == "/") return real(line, a / b);
  double rest = 0;
  const double quotient = floor_divide(a, b, rest);
  return real(line, op == "%" ? rest : quotient);
}

Value repeat(Heap& heap, int line, const Value& what, int64_t times) {
  const auto count = static_cast<uint64_t>(std::max<int64_t>(times, 0));
  const uint64_t size = what.is(Kind::Text) ? what.text().size() : what.items().size();
  uint64_t total = 0;
  if (__builtin_mul_overflow(count, size, &total)) total = ~uint64_t{0};
  heap.spend(line, what.is(Kind::Text) ? total / 16 : total);
  if (what.is(Kind::Text)) {
    std::string text;
    text.reserve(total);
    if (size > 0) {
      for (uint64_t i = 0; i < count; ++i) text += what.text();
    }
    return heap.text(line, std::move(text));
  }
  Items items;
  if (size > 0) {
    for (uint64_t i = 0; i < count; ++i)
      items.insert(items.end(), what.items().begin(), what.items().end());
  }
  return heap.items(line, what.kind, std::move(items));
}

std::partial_ordering order(Heap& heap, int line, std::string_view op, const Value& a,
                            const Value& b, int depth);

bool equal(Heap& heap, int line, const Value& a, const Value& b, int depth) {
  heap.spend(line, 1);
  if (depth > kMaxCompareDepth) heap.source().fail(line, "these are nested too deeply to compare");
  if (a.is_number() && b.is_number()) {
    if (a.is_integer() && b.is_integer()) return a.integer() == b.integer();
    return a.real() == b.real();
  }
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Kind::None:
      return true;
    case Kind::Text:
      return a.text() == b.text();
    case Kind::List:
    case Kind::Tuple:
    case Kind::Range:
      return a.items().size() == b.items().size() &&
             std::equal(a.items().begin(), a.items().end(), b.items().begin(),
                        [&](const Value& x, const Value& y) {
                          return equal(heap, line, x, y, depth + 1);
                        });
    case Kind::Dict:
      if (a.dict().entries.size() != b.dict().entries.size()) return false;
      return std::ranges::all_of(a.dict().entries, [&](const Dict::Entry& entry) {
        const Value* other = b.dict().find(identity_of(heap.source(), line, entry.key));
        return other && equal(heap, line, entry.value, *other, depth + 1);
      });
    default:
      fail_operands(heap, line, "==", a, b);
  }
}

std::partial_ordering order(Heap& heap, int line, std::string_view op, const Value& a,
                            const Value& b, int depth) {
  if (depth > kMaxCompareDepth) heap.source().fail(line, "these are nested too deeply to compare");
  if (a.is_integer() && b.is_integer()) return a.integer() <=> b.integer();
  if (a.is_number() && b.is_number()) return a.real() <=> b.real();
  if (a.is(Kind::Text) && b.is(Kind::Text)) return a.text() <=> b.text();
  if (a.kind != b.kind || (!a.is(Kind::List) && !a.is(Kind::Tuple))) {
    fail_operands(heap, line, op, a, b);
  }
  const size_t common = std::min(a.items().size(), b.items().size());
  for (size_t i = 0; i < common; ++i) {
    const Value x = a.items()[i];
    const Value y = b.items()[i];
    if (!equal(heap, line, x, y, depth + 1)) return order(heap, line, op, x, y, depth + 1);
  }
  return a.items().size() <=> b.items().size();
}

bool contains(Heap& heap, int line, const Value& item, const Value& in) {
  if (in.is(Kind::Dict)) return in.dict().find(identity_of(heap.source(), line, item)) != nullptr;
  if (in.is(Kind::Text) && item.is(Kind::Text)) {
    return in.text().find(item.text()) != std::string::npos;
  }
  if (!in.is(Kind::List) && !in.is(Kind::Tuple) && !in.is(Kind::Range)) {
    fail_operands(heap, line, "in", item, in);
  }
  return std::ranges::any_of(in.items(),
                             [&](const Value& other) { return equal(heap, line, other, item, 0); });
}

// A text as its characters, a list or tuple as it is: what can be indexed.
Items& indexable(Heap& heap, int line, const Value& of, Items& of_text) {
  if (of.is(Kind::Text)) return of_text = characters(heap, line, of.text());
  if (!of.is(Kind::List) && !of.is(Kind::Tuple) && !of.is(Kind::Range)) {
    heap.source().fail(line, describe(of), " cannot be indexed");
  }
  return of.items();
}

}  // namespace

Value unary(Heap& heap, int line, std::string_view op, const Value& value) {
  if (op == "not") return {Kind::Bool, line, int64_t{!is_true(heap.source(), value)}};
  if (!value.is_number()) {
    heap.source().fail(line, "'", op, "' cannot be applied to ", describe(value));
  }
  if (value.is(Kind::Float)) return real(line, op == "-" ? -value.real() : value.real());
  return of_integers(heap, line, op, 0, value.integer());
}

Value binary(Heap& heap, int line, std::string_view op, const Value& a, const Value& b) {
  heap.spend(line, 1);
  if (a.is_number() && b.is_number()) {
    if (a.is_integer() && b.is_integer()) {
      return of_integers(heap, line, op, a.integer(), b.integer());
    }
    return of_reals(heap, line, op, a.real(), b.real());
  }
  const auto repeatable = [](const Value& value) {
    return value.is(Kind::Text) || value.is(Kind::List) || value.is(Kind::Tuple);
  };
  if (op == "*" && repeatable(a) && b.is_integer()) return repeat(heap, line, a, b.integer());
  if (op == "*" && repeatable(b) && a.is_integer()) return repeat(heap, line, b, a.integer());
  if (op == "+" && a.kind == b.kind && repeatable(a)) {
    if (a.is(Kind::Text)) return heap.text(line, a.text() + b.text());
    heap.spend(line, a.items().size() + b.items().size());
    Items items = a.items();
    items.insert(items.end(), b.items().begin(), b.items().end());
    return heap.items(line, a.kind, std::move(items));
  }
  if (op == "%" && a.is(Kind::Text)) {
    heap.source().refuse(line, "formatting a text with '%'");
  }
  fail_operands(heap, line, op, a, b);
}

Value power(Heap& heap, int line, const Value& base, const Value& exponent) {
  if (!base.is_number() || !exponent.is_number()) fail_operands(heap, line, "**", base, exponent);
  if (base.is_integer() && exponent.is_integer() && exponent.integer() >= 0) {
    int64_t result = 1;
    const int64_t factor = base.integer();
    if (factor == 0 || factor == 1) return integer(line, exponent.integer() == 0 ? 1 : factor);
    if (factor == -1) return integer(line, exponent.integer() % 2 ? -1 : 1);
    for (int64_t i = 0; i < exponent.integer(); ++i) {
      if (__builtin_mul_overflow(result, factor, &result)) fail_large(heap, line);
    }
    return integer(line, result);
  }
  if (base.real() == 0 && exponent.real() < 0) fail_zero(heap, line);
  if (base.real() < 0 && std::trunc(exponent.real()) != exponent.real()) {
    heap.source().refuse(line, "a complex number");
  }
  const double result = std::pow(base.real(), exponent.real());
  if (std::isinf(result) && std::isfinite(base.real()) && std::isfinite(exponent.real())) {
    heap.source().fail(line, "the result is too large");
  }
  return real(line, result);
}

bool compare(Heap& heap, int line, std::string_view op, const Value& a, const Value& b) {
  if (a.is(Kind::Reference) || b.is(Kind::Reference)) fail_operands(heap, line, op, a, b);
  if (op == "==") return equal(heap, line, a, b, 0);
  if (op == "!=") return !equal(heap, line, a, b, 0);
  if (op == "in") return contains(heap, line, a, b);
  if (op == "not in") return !contains(heap, line, a, b);
  if (op == "is" || op == "is not") {
    if (!a.is(Kind::None) && !b.is(Kind::None)) {
      heap.source().refuse(line, "'is' with another value than None");
    }
    return (a.kind == b.kind) == (op == "is");
  }
  const std::partial_ordering result = order(heap, line, op, a, b, 0);
  if (op == "<") return result < 0;
  if (op == "<=") return result <= 0;
  if (op == ">") return result > 0;
  return result >= 0;
}

Items characters(Heap& heap, int line, const std::string& text) {
  Items items;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin + 1;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
    items.push_back(heap.text(line, text.substr(begin, end - begin)));
    begin = end;
  }
  return items;
}

int64_t length(Heap& heap, int line, const Value& value) {
  if (value.is(Kind::Text)) {
    return std::ranges::count_if(
        value.text(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
  }
  if (value.is(Kind::Dict)) return static_cast<int64_t>(value.dict().entries.size());
  if (!value.is_sequence() || value.is(Kind::Iterator)) {
    heap.source().fail(line, describe(value), " has no length");
  }
  return static_cast<int64_t>(value.items().size());
}

Value item(Heap& heap, int line, const Value& of, const Value& index) {
  heap.spend(line, 1);
  if (of.is(Kind::Dict)) {
    const Value* value = of.dict().find(identity_of(heap.source(), line, index));
    if (!value) heap.source().fail(line, "the dict has no key ", describe(index));
    return *value;
  }
  Items of_text;
  const Items& items = indexable(heap, line, of, of_text);
  if (!index.is_integer()) {
    heap.source().fail(line, "an index has to be a whole number, got ", describe(index));
  }
  const auto size = static_cast<int64_t>(items.size());
  const int64_t place = index.integer() < 0 ? index.integer() + size : index.integer();
  if (place < 0 || place >= size) {
    heap.source().fail(line, "index ", index.integer(), " of ", describe(of), " with ", size,
                       " items");
  }
  return items[static_cast<size_t>(place)];
}

Value slice(Heap& heap, int line, const Value& of, const Value& start, const Value& stop,
            const Value& step) {
  Items of_text;
  const Items& items = indexable(heap, line, of, of_text);
  for (const Value& bound : {start, stop, step}) {
    if (!bound.is(Kind::None) && !bound.is_integer()) {
      heap.source().fail(line, "a slice needs whole numbers, got ", describe(bound));
    }
  }
  const auto size = static_cast<int64_t>(items.size());
  const int64_t by = step.is(Kind::None) ? 1 : std::clamp(step.integer(), -size - 1, size + 1);
  if (!step.is(Kind::None) && step.integer() == 0) {
    heap.source().fail(line, "the step of a slice is 0");
  }
  const int64_t lowest = by > 0 ? 0 : -1;
  const int64_t highest = by > 0 ? size : size - 1;
  const auto clip = [&](const Value& bound, int64_t absent) {
    if (bound.is(Kind::None)) return absent;
    const int64_t value = bound.integer();
    return std::clamp(value < 0 ? value + size : value, lowest, highest);
  };
  const int64_t from = clip(start, by > 0 ? lowest : highest);
  const int64_t to = clip(stop, by > 0 ? highest : lowest);
  Items taken;
  for (int64_t i = from; by > 0 ? i < to : i > to; i += by) {
    taken.push_back(items[static_cast<size_t>(i)]);
  }
  if (!of.is(Kind::Text)) return heap.items(line, of.kind, std::move(taken));
  std::string text;
  for (const Value& character : taken) text += character.text();
  return heap.text(line, std::move(text));
}

}  // namespace kestrel::python
