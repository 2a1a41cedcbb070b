#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include <kestrel/registry/python/source.h>

namespace kestrel::python {

struct Value;
using Items = std::vector<Value>;
struct Dict;

/// A value of a running config file. Texts, lists and dicts lie in a Heap, and several values may
/// be one and the same list, as in Python.
struct Value {
  enum class Kind : uint8_t {
    None,
    Bool,
    Int,
    Float,
    Text,
    List,
    Tuple,
    Dict,
    Range,
    Iterator,  ///< What enumerate, zip, keys, values, items or a generator makes: read once.
    Reference  ///< {{_base_.a.b}}: its value is put in after the file was read.
  };
  Kind kind = Kind::None;
  int line = 0;
  std::variant<std::monostate, int64_t, double, const std::string*, Items*, Dict*> data = {};

  bool is(Kind other) const { return kind == other; }
  bool is_integer() const { return kind == Kind::Int || kind == Kind::Bool; }
  bool is_number() const { return is_integer() || kind == Kind::Float; }
  bool is_sequence() const {
    return kind == Kind::List || kind == Kind::Tuple || kind == Kind::Range ||
           kind == Kind::Iterator;
  }
  int64_t integer() const { return std::get<int64_t>(data); }
  /// Of an integer, too.
  double real() const {
    return is_integer() ? static_cast<double>(integer()) : std::get<double>(data);
  }
  const std::string& text() const { return *std::get<const std::string*>(data); }
  Items& items() const { return *std::get<Items*>(data); }
  Dict& dict() const { return *std::get<Dict*>(data); }
};

/// A dict, which keeps the order in which its keys came.
struct Dict {
  struct Entry {
    Value key;
    Value value;
  };
  std::vector<Entry> entries;
  std::unordered_map<std::string, size_t> places;  ///< By identity_of the key.

  const Value* find(const std::string& identity) const;
  void set(const std::string& identity, const Value& key, const Value& value);
};

/// Holds what values refer to, and counts it, so that no file takes more memory or time than some.
class Heap {
 public:
  explicit Heap(const Source& source) : source_(source) {}

  /// Throws UsageError where the file has done too much.
  void spend(int line, uint64_t amount);
  Value text(int line, std::string text, Value::Kind kind = Value::Kind::Text);
  Value items(int line, Value::Kind kind, Items items);
  Value dict(int line);
  /// Sets a key; throws UsageError where it cannot be one.
  void set(const Value& dict, const Value& key, const Value& value);
  const Source& source() const { return source_; }

 private:
  const Source& source_;
  uint64_t spent_ = 0;
  std::deque<std::string> texts_;
  std::deque<Items> items_;
  std::deque<Dict> dicts_;
};

/// "a list", "the text 'abc'": for errors.
std::string describe(const Value& value);
/// Equal for keys that are one key to a dict; throws UsageError for what cannot be a key.
std::string identity_of(const Source& source, int line, const Value& key);
/// Whether a condition that is this value holds.
bool is_true(const Source& source, const Value& value);
/// As str() writes a number, a text, None, True or False; UsageError for the rest.
std::string text_of(const Source& source, int line, const Value& value);

}  // namespace kestrel::python
