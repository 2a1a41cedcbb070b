#include <kestrel/registry/python/value.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace kestrel::python {
namespace {

using Kind = Value::Kind;

// Steps, items and 16 bytes of text cost one each. The largest file of MMDetection spends 7,000.
constexpr uint64_t kMaxSpent = 500'000;

// As Python's repr() writes a float: the shortest digits that are read back to the same.
std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 40> buffer{};
  const auto write = [&](std::chars_format format) {
    return std::string(
        buffer.data(),
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format).ptr);
  };
  std::string text = write(std::chars_format::scientific);
  const int exponent = std::stoi(text.substr(text.find('e') + 1));
  if (exponent < -4 || exponent >= 16) return text;
  text = write(std::chars_format::fixed);
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

}  // namespace

const Value* Dict::find(const std::string& identity) const {
  const auto found = places.find(identity);
  return found == places.end() ? nullptr : &entries[found->second].value;
}

void Dict::set(const std::string& identity, const Value& key, const Value& value) {
  const auto [place, fresh] = places.emplace(identity, entries.size());
  if (fresh) {
    entries.push_back({key, value});
  } else {
    entries[place->second].value = value;
  }
}

void Heap::spend(int line, uint64_t amount) {
  spent_ += std::min(amount, kMaxSpent + 1);
  if (spent_ > kMaxSpent) {
    source_.fail(line, "this config computes too much: more than ", kMaxSpent,
                 " steps, values and 16 bytes of text");
  }
}

Value Heap::text(int line, std::string text, Kind kind) {
  spend(line, 1 + text.size() / 16);
  texts_.push_back(std::move(text));
  return {kind, line, &texts_.back()};
}

Value Heap::items(int line, Kind kind, Items items) {
  spend(line, 1 + items.size());
  items_.push_back(std::move(items));
  return {kind, line, &items_.back()};
}

Value Heap::dict(int line) {
  spend(line, 1);
  dicts_.emplace_back();
  return {Kind::Dict, line, &dicts_.back()};
}

void Heap::set(const Value& dict, const Value& key, const Value& value) {
  spend(key.line, 1);
  dict.dict().set(identity_of(source_, key.line, key), key, value);
}

std::string describe(const Value& value) {
  switch (value.kind) {
    case Kind::None:
      return "None";
    case Kind::Bool:
      return value.integer() ? "True" : "False";
    case Kind::Int:
      return std::to_string(value.integer());
    case Kind::Float:
      return float_text(value.real());
    case Kind::Text:
      return "the text '" + value.text().substr(0, 40) + "'";
    case Kind::List:
      return "a list";
    case Kind::Tuple:
      return "a tuple";
    case Kind::Dict:
      return "a dict";
    case Kind::Range:
      return "a range";
    case Kind::Iterator:
      return "an iterator";
    case Kind::Reference:
      break;
  }
  return "{{_base_." + value.text() + "}}";
}

std::string identity_of(const Source& source, int line, const Value& key) {
  switch (key.kind) {
    case Kind::None:
      return "z";
    case Kind::Text:
      return "t" + key.text();
    case Kind::Bool:
    case Kind::Int:
      return "n" + std::to_string(key.integer());
    case Kind::Float: {
      // 1.0 is the same key as 1.
      const double value = key.real();
      if (std::trunc(value) == value && std::abs(value) < 9e15) {
        return "n" + std::to_string(static_cast<int64_t>(value));
      }
      return "n" + float_text(value);
    }
    default:
      source.fail(line, describe(key), " cannot be a key: a name, a text or a number is needed");
  }
}

bool is_true(const Source& source, const Value& value) {
  switch (value.kind) {
    case Kind::None:
      return false;
    case Kind::Bool:
    case Kind::Int:
      return value.integer() != 0;
    case Kind::Float:
      return value.real() != 0;
    case Kind::Text:
      return !value.text().empty();
    case Kind::List:
    case Kind::Tuple:
    case Kind::Range:
      return !value.items().empty();
    case Kind::Dict:
      return !value.dict().entries.empty();
    default:
      source.fail(value.line, describe(value), " cannot be a condition");
  }
}

std::string text_of(const Source& source, int line, const Value& value) {
  switch (value.kind) {
    case Kind::Text:
      return value.text();
    case Kind::None:
    case Kind::Bool:
    case Kind::Int:
    case Kind::Float:
      return describe(value);
    default:
      source.fail(line, describe(value), " cannot be made a text");
  }
}

}  // namespace kestrel::python
