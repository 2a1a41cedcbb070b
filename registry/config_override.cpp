// What --set understands.
#include <algorithm>

#include <kestrel/registry/config.h>

namespace kestrel {
namespace {

constexpr int kMaxOverrideDepth = 50;

// Recursive descent over "1", "[8, 11]", "(1333,800)", "'a, b'", "8,11"; "{type: SGD, lr: 1}" is
// YAML.
class ValueParser {
 public:
  explicit ValueParser(std::string_view text) : text_(text) {}

  Config parse() {
    Config first = value(0);
    if (at_end()) return first;
    Config list = Config::list();
    list.push_back(std::move(first));
    while (!at_end()) {
      expect(',');
      if (at_end()) break;
      list.push_back(value(0));
    }
    return list;
  }

 private:
  bool at_end() {
    while (position_ < text_.size() && text_[position_] == ' ') ++position_;
    return position_ == text_.size();
  }

  void expect(char c) {
    if (at_end() || text_[position_] != c) {
      fail<UsageError>("expected '", c, "' at \"", text_.substr(position_), '"');
    }
    ++position_;
  }

  Config value(int depth) {
    if (depth > kMaxOverrideDepth) fail<UsageError>("nested too deeply");
    if (at_end()) return Config("");
    const char c = text_[position_];
    if (c == '[' || c == '(') return list(c == '[' ? ']' : ')', depth);
    if (c == '{') return map();
    if (c == '\'' || c == '"') {
      const size_t end = text_.find(c, position_ + 1);
      if (end == std::string_view::npos) fail<UsageError>("a quote is not closed");
      const std::string_view quoted = text_.substr(position_ + 1, end - position_ - 1);
      position_ = end + 1;
      return quoted;
    }
    const size_t end = std::min(text_.find_first_of(depth ? ",])" : ",", position_), text_.size());
    std::string_view word = text_.substr(position_, end - position_);
    position_ = end;
    while (!word.empty() && word.back() == ' ') word.remove_suffix(1);
    return parse_scalar(word);
  }

  Config map() {
    const size_t begin = position_;
    int open = 0;
    do {
      if (position_ == text_.size()) fail<UsageError>("a brace is not closed");
      const char c = text_[position_++];
      open += c == '{' ? 1 : c == '}' ? -1 : 0;
    } while (open > 0);
    return Config::parse(text_.substr(begin, position_ - begin), "--set");
  }

  Config list(char close, int depth) {
    ++position_;
    Config list = Config::list();
    while (!at_end() && text_[position_] != close) {
      list.push_back(value(depth + 1));
      if (!at_end() && text_[position_] != close) expect(',');
    }
    expect(close);
    return list;
  }

  std::string_view text_;
  size_t position_ = 0;
};

bool is_index(std::string_view key) {
  return !key.empty() && key.size() < 9 &&
         std::ranges::all_of(key, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

void Config::apply_override(std::string_view assignment) {
  const std::string origin = "--set " + std::string(assignment);
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    kestrel::fail<UsageError>(origin, ": expected key=value, such as optimizer.lr=0.01");
  }
  const std::string_view text = assignment.substr(equals + 1);
  Config value;
  try {
    value = text.starts_with('{') ? parse(text) : ValueParser(text).parse();
  } catch (const UsageError& e) {
    kestrel::fail<UsageError>(origin, ": ", e.what());
  }
  value.set_origin(std::make_shared<const std::string>(origin), 0);

  std::string_view keys = assignment.substr(0, equals);
  Config* node = this;
  while (true) {
    const size_t dot = keys.find('.');
    const std::string_view key = keys.substr(0, dot);
    const bool last = dot == std::string_view::npos;
    if (key.empty()) kestrel::fail<UsageError>(origin, ": a key is empty");
    Config* child = nullptr;
    if (node->is_list()) {
      if (!is_index(key)) {
        kestrel::fail<UsageError>(origin, ": ", node->path(), " is a list, so '", key,
                                  "' has to be an index");
      }
      const size_t index = std::stoul(std::string(key));
      if (index >= node->items_.size()) {
        kestrel::fail<UsageError>(origin, ": ", node->path(), " has ", node->items_.size(),
                                  " items, index ", index, " is beyond them");
      }
      child = &node->items_[index];
    } else if (node->is_map() || node->is_null()) {
      child = node->kind_ == Kind::Map ? node->find_mutable(key) : nullptr;
      if (!child) {
        Config fresh;
        fresh.file_ = value.file_;
        node->set(key, std::move(fresh));
        child = node->find_mutable(key);
      }
    } else {
      kestrel::fail<UsageError>(origin, ": ", node->path(), " is ", node->describe(),
                                ", which has no key '", key, "'");
    }
    if (!last) {
      node = child;
      keys.remove_prefix(dot + 1);
      continue;
    }
    if (value.is_map() && child->is_map()) {
      const Config* mark = value.find("_delete_");
      if (!mark || !mark->as_bool()) {
        child->merge(value);
        return;
      }
    }
    std::string path = child->path_;
    *child = std::move(value);
    child->strip_delete_marks();
    child->set_path(std::move(path));
    return;
  }
}

}  // namespace kestrel
