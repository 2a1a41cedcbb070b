#include <kestrel/registry/config.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include <kestrel/registry/nearest_name.h>

namespace kestrel {
namespace {

std::string join_path(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : path + '.' + std::string(key);
}

bool is_number_char(char c) {
  return (c >= '0' && c <= '9') || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-';
}

}  // namespace

Config Config::map() {
  Config node;
  node.kind_ = Kind::Map;
  return node;
}

Config Config::list() {
  Config node;
  node.kind_ = Kind::List;
  return node;
}

bool Config::as_bool() const {
  if (kind_ != Kind::Bool) fail("expected true or false, got " + describe());
  return int_ != 0;
}

int64_t Config::as_int() const {
  if (kind_ != Kind::Int) fail("expected an integer, got " + describe());
  return int_;
}

double Config::as_float() const {
  if (kind_ == Kind::Int) return static_cast<double>(int_);
  if (kind_ != Kind::Float) fail("expected a number, got " + describe());
  return float_;
}

const std::string& Config::as_string() const {
  if (kind_ != Kind::String) fail("expected text, got " + describe());
  return string_;
}

int64_t Config::size() const {
  return static_cast<int64_t>(kind_ == Kind::List ? items_.size() : entries_.size());
}

std::span<const Config> Config::items() const {
  if (kind_ != Kind::List) fail("expected a list, got " + describe());
  return items_;
}

std::span<const Config::Entry> Config::entries() const {
  if (kind_ != Kind::Map) fail("expected a map, got " + describe());
  return entries_;
}

std::vector<std::string> Config::keys() const {
  std::vector<std::string> keys;
  for (const Entry& entry : entries()) keys.push_back(entry.key);
  return keys;
}

const Config* Config::find(std::string_view key) const {
  for (const Entry& entry : entries()) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

Config* Config::find_mutable(std::string_view key) {
  for (Entry& entry : entries_) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

const Config& Config::at(std::string_view key) const {
  const Config* value = find(key);
  if (!value) fail("needs a key '" + std::string(key) + "'" + did_you_mean(key, keys()));
  return *value;
}

void Config::set(std::string_view key, Config value) {
  if (kind_ == Kind::Null) kind_ = Kind::Map;
  if (kind_ != Kind::Map) fail("expected a map, got " + describe());
  value.set_path(join_path(path_, key));
  if (Config* old = find_mutable(key)) {
    *old = std::move(value);
  } else {
    entries_.push_back({std::string(key), std::move(value)});
  }
}

void Config::erase(std::string_view key) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.key == key; });
}

void Config::push_back(Config item) {
  if (kind_ == Kind::Null) kind_ = Kind::List;
  if (kind_ != Kind::List) fail("expected a list, got " + describe());
  item.set_path(join_path(path_, std::to_string(items_.size())));
  items_.push_back(std::move(item));
}

void Config::set_path(std::string path) {
  path_ = std::move(path);
  for (size_t i = 0; i < items_.size(); ++i)
    items_[i].set_path(join_path(path_, std::to_string(i)));
  for (Entry& entry : entries_) entry.value.set_path(join_path(path_, entry.key));
}

void Config::set_origin(const std::shared_ptr<const std::string>& file, int line) {
  file_ = file;
  line_ = line;
  for (Config& item : items_) item.set_origin(file, line);
  for (Entry& entry : entries_) entry.value.set_origin(file, line);
}

void Config::merge(const Config& over) {
  if (kind_ == Kind::Null) kind_ = Kind::Map;
  if (kind_ != Kind::Map) fail("a map cannot be merged into " + describe());
  merge_into(over);
  strip_delete_marks();
  set_path(path_);
}

void Config::merge_into(const Config& over) {
  for (const Entry& entry : over.entries()) {
    if (entry.key == "_delete_") continue;
    const Config& value = entry.value;
    Config* old = find_mutable(entry.key);
    if (!old) {
      entries_.push_back(entry);
      continue;
    }
    const Config* mark = value.is_map() ? value.find("_delete_") : nullptr;
    const bool replace = !value.is_map() || old->is_null() || (mark && mark->as_bool());
    const bool variable = old->variable_ || value.variable_;
    if (replace) {
      *old = value;
    } else if (!old->is_map()) {
      value.fail("a map cannot be merged into the base's value " + old->describe() + " (" +
                 old->location() + "); add _delete_: true to replace it");
    } else {
      old->merge_into(value);
      // The child is where a reader looks first.
      old->file_ = value.file_;
      old->line_ = value.line_;
    }
    old->variable_ = variable;
  }
}

void Config::strip_delete_marks() {
  erase("_delete_");
  for (Config& item : items_) item.strip_delete_marks();
  for (Entry& entry : entries_) entry.value.strip_delete_marks();
}

std::string Config::location() const {
  if (!file_) return {};
  return line_ > 0 ? *file_ + ':' + std::to_string(line_) : *file_;
}

std::string Config::describe() const {
  constexpr size_t kLongest = 60;
  switch (kind_) {
    case Kind::List:
      return items_.empty() ? "an empty list" : "a list";
    case Kind::Map:
      return "a map";
    case Kind::String:
      return string_.size() <= kLongest ? '"' + string_ + '"'
                                        : '"' + string_.substr(0, kLongest) + "...\"";
    case Kind::Null:
      return "null";
    case Kind::Bool:
      return int_ ? "true" : "false";
    case Kind::Int:
      return std::to_string(int_);
    case Kind::Float:
      break;
  }
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, float_).ptr};
}

void Config::fail(std::string_view message) const {
  std::string text = location();
  if (!text.empty()) text += ": ";
  if (!path_.empty()) text += path_ + ": ";
  throw UsageError(text.append(message));
}

bool operator==(const Config& a, const Config& b) {
  if (a.kind_ != b.kind_) return false;
  switch (a.kind_) {
    case Config::Kind::Null:
      return true;
    case Config::Kind::Bool:
    case Config::Kind::Int:
      return a.int_ == b.int_;
    case Config::Kind::Float:
      return a.float_ == b.float_ || (a.float_ != a.float_ && b.float_ != b.float_);
    case Config::Kind::String:
      return a.string_ == b.string_;
    case Config::Kind::List:
      return a.items_ == b.items_;
    case Config::Kind::Map:
      break;
  }
  if (a.entries_.size() != b.entries_.size()) return false;
  return std::ranges::all_of(a.entries_, [&](const Config::Entry& entry) {
    const Config* other = b.find(entry.key);
    return other && *other == entry.value;
  });
}

Config parse_scalar(std::string_view word) {
  if (word.empty() || word == "~" || word == "null" || word == "Null" || word == "NULL" ||
      word == "None") {
    return {};
  }
  if (word == "true" || word == "True" || word == "TRUE") return true;
  if (word == "false" || word == "False" || word == "FALSE") return false;

  const bool negative = word.front() == '-';
  std::string_view body = word;
  if (negative || word.front() == '+') body.remove_prefix(1);
  if (body == ".inf" || body == ".Inf" || body == ".INF") {
    const double infinity = std::numeric_limits<double>::infinity();
    return negative ? -infinity : infinity;
  }
  if (word == ".nan" || word == ".NaN" || word == ".NAN") {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const auto all_of_body = [&](auto&& to) {
    const char* end = body.data() + body.size();
    const auto [stop, error] = to(body.data(), end);
    return error == std::errc() && stop == end;
  };
  int64_t integer = 0;
  if (body == word && (body.starts_with("0x") || body.starts_with("0o"))) {
    const int base = body[1] == 'x' ? 16 : 8;
    body.remove_prefix(2);
    if (!body.empty() && body.front() != '-' &&
        all_of_body([&](const char* begin, const char* end) {
          return std::from_chars(begin, end, integer, base);
        })) {
      return integer;
    }
    return word;
  }
  const bool has_digit = std::ranges::any_of(body, [](char c) { return c >= '0' && c <= '9'; });
  if (!has_digit || body.front() == '-' || body.front() == '+' ||
      !std::ranges::all_of(body, is_number_char)) {
    return word;
  }
  if (negative) body = word;
  if (all_of_body([&](const char* begin, const char* end) {
        return std::from_chars(begin, end, integer);
      })) {
    return integer;
  }
  double number = 0;
  if (all_of_body([&](const char* begin, const char* end) {
        return std::from_chars(begin, end, number);
      })) {
    return number;
  }
  return word;
}

}  // namespace kestrel
